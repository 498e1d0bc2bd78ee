"""Where the work in hand comes from: the client's address and program, for sessions and the audit trail."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

import structlog
from django.conf import settings

USER_AGENT_LENGTH: Final = 256
REQUEST_ID_LENGTH: Final = 128


@dataclass(frozen=True, slots=True)
class Origin:
    """Whoever asked; without an address it was no client but a job, a command or the shell."""

    address: str | None = None
    user_agent: str = ""


_NOBODY: Final = Origin()
_current: ContextVar[Origin] = ContextVar("origin", default=_NOBODY)


@contextmanager
def coming_from(origin: Origin) -> Iterator[None]:
    """Name the origin of all that is done inside the block."""
    token = _current.set(origin)
    try:
        yield
    finally:
        _current.reset(token)


def current() -> Origin:
    return _current.get()


def request_id() -> str:
    """Return the id of the request that the work in hand goes back to, or an empty text."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))[:REQUEST_ID_LENGTH]


def client_address(remote: str, forwarded: str) -> str:
    """Return the client's own address.

    X-Forwarded-For is read from the right: each trusted proxy vouches for the entry before it, and the first
    address that is no trusted proxy is the client, whatever it wrote further left.

    Args:
        remote: Where the connection comes from.
        forwarded: What X-Forwarded-For says.
    """
    if not is_trusted(remote):
        return remote
    address = remote
    for hop in reversed([hop.strip() for hop in forwarded.split(",") if hop.strip()]):
        if parsed(hop) is None:
            break
        address = hop
        if not is_trusted(hop):
            break
    return address


@lru_cache(maxsize=1_024)
def parsed(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address, if it is one; a server that listens on `::` sees 10.0.0.1 as ::ffff:10.0.0.1."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def is_trusted(text: str) -> bool:
    """Tell whether it is the address of a proxy that is believed."""
    address = parsed(text)
    return address is not None and any(address in network for network in settings.TRUSTED_PROXIES)


def network_of(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or the /64 that one IPv6 customer owns."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ip_network((parsed, 64), strict=False))
    return str(parsed)
