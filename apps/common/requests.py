"""What a view may take out of a request to hand it on."""

import re
from typing import Any, Final, cast

from django.http import HttpRequest
from rest_framework.exceptions import APIException, NotAuthenticated
from rest_framework.request import Request

from apps.common.exceptions import FieldError, InvalidInputError
from apps.common.types import Actor
from infrastructure import redaction
from infrastructure.origin import network_of

IDEMPOTENCY_HEADER: Final = "Idempotency-Key"
# 1 to 255 visible characters of ASCII.
IDEMPOTENCY_PATTERN: Final = r"^[\x21-\x7e]{1,255}$"


def actor(request: Request | HttpRequest) -> Actor:
    """Return whoever is signed in, over the API or in the admin site.

    Raises:
        NotAuthenticated: If nobody is.
    """
    user: Any = request.user
    if not user.is_authenticated:
        raise NotAuthenticated
    return cast("Actor", user)


def read_body(request: Request) -> Any:
    """Return the parsed body, or raise what is wrong with it, as often as it is asked for.

    DRF forgets that parsing failed, and would show an empty body the second time.

    Raises:
        APIException: If the body is too large, of a type that is not taken, or not readable.
    """
    error: APIException | None = getattr(request, "body_error", None)
    if error is None:
        try:
            data = request.data
        except APIException as caught:
            error = request.body_error = caught  # type: ignore[attr-defined]  # carried by the request itself
        else:
            redaction.remember(data)
            return data
    raise error


def idempotency_key(request: Request) -> str | None:
    """Return the key under which the request is to be done once, or None if it has none.

    Raises:
        InvalidInputError: If it has one that cannot be.
    """
    key = request.headers.get(IDEMPOTENCY_HEADER)
    if key is not None and not re.fullmatch(IDEMPOTENCY_PATTERN, key):
        raise InvalidInputError(
            [FieldError(IDEMPOTENCY_HEADER, "invalid", "This must be 1 to 255 visible characters of ASCII.")]
        )
    return key


def client_network(request: Request) -> str:
    """Return what counts as one client.

    RequestContextMiddleware has already put the real address behind trusted proxies into REMOTE_ADDR.
    """
    return network_of(request.META.get("REMOTE_ADDR", ""))
