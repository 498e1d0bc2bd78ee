"""Every socket address of the project, as config/urls.py has those of HTTP."""

from typing import Any, Final

from channels.routing import URLRouter
from django.urls import re_path
from django.utils.module_loading import import_string

from apps.common.consumers import UnknownSocketConsumer
from apps.users.authentication import UsersDoor


def included(module: str) -> list[Any]:
    """Return the addresses of a slice."""
    patterns: list[Any] = import_string(f"{module}.websocket_urlpatterns")
    return patterns


websocket_urlpatterns: list[Any] = [
    *included("apps.chat.routing"),
    # Last, so that a socket at an unknown address is answered, too.
    re_path(r"", UnknownSocketConsumer.as_asgi()),
]


_router: Any = URLRouter(websocket_urlpatterns)
# One for all sockets: what they ask of it, they ask together.
_door: Final = UsersDoor()


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answer a socket, and tell its consumer who signs people in: apps.common knows no accounts."""
    await _router({**scope, "door": _door}, receive, send)
