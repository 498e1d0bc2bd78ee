"""What a view may take out of a request to hand it on."""

from typing import Any, cast

from django.http import HttpRequest
from rest_framework.exceptions import APIException, NotAuthenticated
from rest_framework.request import Request

from apps.common.types import Actor
from infrastructure.origin import network_of


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
            return request.data
        except APIException as caught:
            error = request.body_error = caught  # type: ignore[attr-defined]  # carried by the request itself
    raise error


def client_network(request: Request) -> str:
    """Return what counts as one client.

    RequestContextMiddleware has already put the real address behind trusted proxies into REMOTE_ADDR.
    """
    return network_of(request.META.get("REMOTE_ADDR", ""))
