"""Sockets of nobody's slice, and tokens that speak for whoever they name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from channels.routing import URLRouter
from django.urls import path
from django.utils import timezone
from rest_framework import serializers

from apps.common.consumers import Answer, BaseConsumer, takes
from apps.common.enums import Role
from apps.common.exceptions import AppException, AuthenticationError, NotFoundError
from apps.common.frames import ClientFrame, ServerFrame
from apps.common.serializers import OneLineField, StrictIntegerField, StrictSerializer
from apps.common.tests.support import FAULTS
from apps.common.types import SignedIn
from infrastructure.ratelimit import Limit, RateLimiterUnavailable, hit

ADA: Final = UUID("0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a10")
BOB: Final = UUID("0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a20")


@dataclass(frozen=True)
class Person:
    id: UUID
    role: str = Role.USER


class Tokens:
    """A SocketDoor that knows whom each token and each ticket speaks for, as a slice of accounts would."""

    def __init__(self) -> None:
        self._good: dict[str, SignedIn] = {}
        self._tickets: set[str] = set()
        self.fault: Exception | None = None

    def good(self, token: str, person: UUID = ADA, *, session: UUID = ADA, until: datetime | None = None) -> str:
        """Let a token speak for a person."""
        until = until or timezone.now() + timedelta(minutes=15)
        self._good[token] = SignedIn(Person(person), session, token, until)
        return token

    def ticket(self, ticket: str) -> str:
        """Let a ticket speak for somebody, once."""
        self._tickets.add(self.good(ticket))
        return ticket

    def revoke(self, token: str) -> None:
        del self._good[token]

    def by_token(self, token: str) -> SignedIn:
        if self.fault:
            raise self.fault
        if token not in self._good or self._good[token].expires_at <= timezone.now():
            raise AuthenticationError
        return self._good[token]

    def by_ticket(self, ticket: str) -> SignedIn:
        if ticket not in self._tickets:
            raise AuthenticationError
        self._tickets.remove(ticket)
        return self.by_token(ticket)

    def again(self, callers: Sequence[tuple[SignedIn, Sequence[Limit]]]) -> list[SignedIn | AuthenticationError]:
        return [self._again(signed_in, limits) for signed_in, limits in callers]

    def standing(self, signed_in: Sequence[SignedIn]) -> list[SignedIn | AuthenticationError]:
        return [self._again(somebody, ()) for somebody in signed_in]

    def _again(self, signed_in: SignedIn, limits: Sequence[Limit]) -> SignedIn | AuthenticationError:
        try:
            same = self.by_token(signed_in.bearer)
        except AuthenticationError as error:
            return error
        try:
            return replace(same, verdict=hit(limits))
        except RateLimiterUnavailable:
            return same


class SaySerializer(StrictSerializer):
    text = OneLineField(max_length=10)
    times = StrictIntegerField(default=1)


class FailSerializer(StrictSerializer):
    kind = OneLineField(max_length=20)


class SaidSerializer(serializers.Serializer[Any]):
    said = serializers.CharField()
    by = serializers.UUIDField()


class NewsSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField(required=False)
    text = serializers.CharField(required=False)


SAID: Final = ServerFrame("ack", SaidSerializer, "It was said.", {"said": "haha", "by": str(ADA)}, name="say.ack")
SAY: Final = ClientFrame("say", SaySerializer, "Say something.", {"text": "ha", "times": 2}, answers=(SAID,))
FAIL: Final = ClientFrame("fail", FailSerializer, "Fail.", {"kind": "denied"}, answers=(SAID,))
NEWS: Final = ServerFrame("news", NewsSerializer, "Something is new.", {"number": 1})
LAST: Final = ServerFrame("last", NewsSerializer, "Nothing is new any more.")


class SpeakingConsumer(BaseConsumer):
    """Repeats what it is told, and fails as it is told."""

    listens_to = ("speakers",)
    tells = (NEWS, LAST)

    @takes(SAY)
    async def say(self, text: str, times: int) -> Answer:
        return {"said": text * times, "by": str(self.actor.id)}

    @takes(FAIL)
    async def fail(self, kind: str) -> Answer:
        raise FAULTS[kind]


class HurriedConsumer(SpeakingConsumer):
    """Has little patience with anybody."""

    seconds_to_sign_in = 0.2
    seconds_between_checks = 0.05
    seconds_to_read = 0.2


class SilenceConsumer(SpeakingConsumer):
    """Wants to hear something."""

    seconds_of_silence = 0.4


class LateConsumer(SpeakingConsumer):
    """Fails behind its welcome."""

    async def welcomed(self) -> None:
        raise FAULTS[self.scope["url_route"]["kwargs"]["kind"]]


class ClosedRoomConsumer(BaseConsumer):
    """Lets nobody in, for a reason that the address names."""

    async def opened(self) -> Answer:
        reasons: dict[str, AppException | Exception] = {"missing": NotFoundError(), **FAULTS}
        raise reasons[self.scope["url_route"]["kwargs"]["reason"]]


ROUTES: Final[list[Any]] = [
    path("ws/speaking/", SpeakingConsumer.as_asgi()),
    path("ws/hurried/", HurriedConsumer.as_asgi()),
    path("ws/silence/", SilenceConsumer.as_asgi()),
    path("ws/late/<str:kind>/", LateConsumer.as_asgi()),
    path("ws/closed/<str:reason>/", ClosedRoomConsumer.as_asgi()),
]


def application(tokens: Tokens) -> Callable[..., Any]:
    """Return these sockets, with tokens that they know."""
    router: Any = URLRouter(ROUTES)

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await router({**scope, "door": tokens}, receive, send)

    return answer
