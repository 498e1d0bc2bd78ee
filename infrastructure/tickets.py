"""Tickets that open one thing, once, within seconds: kept in Redis as a hash, from which none can be made again."""

import json
import secrets
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from infrastructure.redis import HISTORY, Script, key, unavailable_as

_BYTES: Final = 32
# A ticket ends with the history it was made in: a server that came back from an old copy of its data may hold one that
# was used since.
_ISSUE: Final = Script(
    HISTORY
    + """
redis.call('SET', KEYS[1], history() .. ARGV[1], 'PX', ARGV[2])
return 1
"""
)
_REDEEM: Final = Script(
    HISTORY
    + """
local found = redis.call('GETDEL', KEYS[1])
if not found or string.sub(found, 1, 40) ~= history() then return false end
return string.sub(found, 41)
"""
)


def issue(claims: Mapping[str, Any], *, seconds: int) -> str:
    """Return a ticket that stands for the claims, which are what JSON holds.

    Raises:
        RedisUnavailable: If Redis is away.
    """
    ticket = secrets.token_urlsafe(_BYTES)
    text = json.dumps(dict(claims), allow_nan=False, separators=(",", ":"))
    with unavailable_as():
        _ISSUE([_entry(ticket)], [text, seconds * 1_000])
    return ticket


def redeem(ticket: str) -> dict[str, Any] | None:
    """Return the claims of a ticket and use it up; None if it is none, was used or is too old.

    Raises:
        RedisUnavailable: If Redis is away.
    """
    with unavailable_as():
        text: bytes | None = _REDEEM([_entry(ticket)])
    if text is None:
        return None
    claims: dict[str, Any] = json.loads(text)
    return claims


def _entry(ticket: str) -> str:
    # 256 random bits need no slow hash.
    return key("ticket", sha256(ticket.encode(errors="surrogatepass")).hexdigest())
