"""What comes over a socket, before anybody knows what it means."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qs

from django.conf import settings
from rest_framework.exceptions import ParseError

from apps.common.exceptions import FieldError, InvalidInputError
from apps.common.frames import REF_LENGTH
from apps.common.parsers import read_json
from apps.common.types import SignedIn, SocketDoor
from infrastructure.origin import client_address, network_of
from infrastructure.ratelimit import RateLimiterUnavailable, configured, hit, hit_local

# Offered by clients that send their token with the handshake: `layerline.v1, bearer.ACCESS`.
SUBPROTOCOL: Final = "layerline.v1"
BEARER: Final = "bearer."


def parsed(text: str | None) -> dict[str, Any]:
    """Return the frame that a text holds.

    Raises:
        ParseError: If it is no JSON.
        InvalidInputError: If it is no object with a `type`, or with a `ref` that is none.
    """
    if text is None:
        raise ParseError("Frames are text.")
    frame = read_json(text)
    if not isinstance(frame, dict):
        raise InvalidInputError([FieldError("", "invalid", "A frame is an object.")])
    if not isinstance(frame.get("type"), str):
        raise InvalidInputError([FieldError("type", "required", "A frame names its type.")])
    if "ref" in frame and not ref_of(frame):
        raise InvalidInputError([FieldError("ref", "invalid", f"A ref is a text of {REF_LENGTH} characters at most.")])
    return frame


def ref_of(frame: Mapping[str, Any]) -> dict[str, str]:
    """Return what the answer to a frame repeats of it."""
    ref = frame.get("ref")
    return {"ref": ref} if isinstance(ref, str) and len(ref) <= REF_LENGTH else {}


def credentials(scope: Mapping[str, Any], door: SocketDoor) -> Callable[[], SignedIn] | None:
    """Return how whoever opens a socket signs in at once; None if he has still to say who he is.

    Args:
        scope: The socket's: a ticket stands in its address, an access token among its subprotocols.
    """
    query = parse_qs(scope["query_string"].decode("latin-1"))
    tokens = [name.removeprefix(BEARER) for name in scope["subprotocols"] if name.startswith(BEARER)]
    if settings.WEBSOCKET_QUERY_TOKEN:
        tokens += query.get("token", [])
    if "ticket" in query:
        return partial(door.by_ticket, query["ticket"][0])
    return partial(door.by_token, tokens[0]) if tokens else None


def is_from_allowed_origin(scope: Mapping[str, Any]) -> bool:
    """Tell whether the page that opens the socket may; what is no browser sends no Origin."""
    return all(origin.lower() in settings.WEBSOCKET_ALLOWED_ORIGINS for origin in _headers(scope, b"origin"))


def address_of(scope: Mapping[str, Any]) -> str:
    """Return the address of whoever opens a socket."""
    remote = (scope.get("client") or ("", 0))[0]
    return client_address(remote, ",".join(_headers(scope, b"x-forwarded-for")))


def is_address_admitted(scope: Mapping[str, Any]) -> bool:
    """Count a socket against what one address may open; while Redis is away, in this process alone."""
    limit = configured("sockets", network_of(address_of(scope)))
    try:
        return hit([limit]).allowed
    except RateLimiterUnavailable:
        return hit_local([limit]).allowed


def _headers(scope: Mapping[str, Any], name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]
