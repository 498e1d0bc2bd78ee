"""The project's application, with sockets besides: `uvicorn tests.e2e.sockets:application`."""

from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path

from config import asgi, routing

# Slices may be imported only now that Django is set up, which config.asgi did.
from apps.common.tests.consumers.support import HurriedConsumer, SpeakingConsumer  # isort: skip
from apps.users.authentication import UsersDoor  # isort: skip

_addresses: list[Any] = [
    path("ws/speaking/", SpeakingConsumer.as_asgi()),
    path("ws/hurried/", HurriedConsumer.as_asgi()),
    *routing.websocket_urlpatterns,
]
_router: Any = URLRouter(_addresses)


async def _answer(scope: Any, receive: Any, send: Any) -> None:
    await _router({**scope, "door": UsersDoor()}, receive, send)


application = ProtocolTypeRouter({"http": asgi.django_application, "websocket": _answer})
