"""A room on the project's own base for sockets: `uvicorn benchmarks.realtime.room:application`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from channels.routing import ProtocolTypeRouter
from django.utils import timezone

from config import asgi

# Slices may be imported only now that Django is set up, which config.asgi did.
from apps.common.consumers import BaseConsumer  # isort: skip
from apps.common.types import SignedIn  # isort: skip
from infrastructure.ratelimit import Limit  # isort: skip

_SOMEBODY: Final = UUID("0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a10")


@dataclass(frozen=True)
class Person:
    id: UUID = _SOMEBODY
    role: str = "user"


class OpenDoor:
    """Lets everybody in: what is measured is what comes after."""

    def by_token(self, token: str) -> SignedIn:
        return SignedIn(Person(), _SOMEBODY, token, timezone.now() + timedelta(hours=1))

    def by_ticket(self, ticket: str) -> SignedIn:
        return self.by_token(ticket)

    def again(self, signed_in: SignedIn, limits: Sequence[Limit]) -> SignedIn:  # noqa: ARG002  # a door's
        return signed_in


class RoomConsumer(BaseConsumer):
    """Everybody in one room."""

    listens_to = ("room",)


_room: Any = RoomConsumer.as_asgi()


async def _enter(scope: Any, receive: Any, send: Any) -> None:
    await _room({**scope, "door": OpenDoor()}, receive, send)


application = ProtocolTypeRouter({"http": asgi.django_application, "websocket": _enter})
