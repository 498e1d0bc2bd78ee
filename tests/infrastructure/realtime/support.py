"""Listeners that remember, and channel layers that talk to another Redis."""

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Self

from channels.db import database_sync_to_async
from django.conf import settings
from django.test import override_settings

from infrastructure import realtime
from tests.infrastructure.support import unused_port

NEWS = {"type": "news"}
LAYERS = {
    "hub": "infrastructure.realtime.layer.RedisHubLayer",
    "pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer",
}


@dataclass
class Listener:
    """Remembers what it is told."""

    texts: list[str] = field(default_factory=list)
    interruptions: int = 0
    _told: asyncio.Event = field(default_factory=asyncio.Event)

    def heard(self, text: str) -> None:
        self.texts.append(text)
        self._told.set()

    def interrupted(self) -> None:
        self.interruptions += 1
        self._told.set()

    @property
    def frames(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.texts]

    async def until(self, *, frames: int = 0, interruptions: int = 0, text: str = "") -> Self:
        """Wait until it was told so much, and a text."""
        async with asyncio.timeout(5):
            while len(self.texts) < frames or self.interruptions < interruptions or (text and text not in self.texts):
                self._told.clear()
                await self._told.wait()
        return self


@contextmanager
def layer(name: str) -> Iterator[None]:
    """Let another channel layer be the project's."""
    layers: Any = deepcopy(settings.CHANNEL_LAYERS)
    layers["default"]["BACKEND"] = LAYERS[name]
    with override_settings(CHANNEL_LAYERS=layers):
        yield


@contextmanager
def redis_at(port: int) -> Iterator[None]:
    """Let the channel layer talk to another port of this machine."""
    layers: Any = deepcopy(settings.CHANNEL_LAYERS)
    layers["default"]["CONFIG"]["hosts"][0]["address"] = f"redis://127.0.0.1:{port}/0"
    with override_settings(CHANNEL_LAYERS=layers):
        yield


@contextmanager
def refusing() -> Iterator[None]:
    """Let the channel layer talk to a port on which nobody listens."""
    with redis_at(unused_port()):
        yield


@contextmanager
def hanging() -> Iterator[None]:
    """Let the channel layer talk to a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server, redis_at(server.getsockname()[1]):
        yield


def told(work: Callable[[], None], *, frames: int, groups: tuple[str, ...] = ("readers",)) -> list[dict[str, Any]]:
    """Return the first frames that someone hears who listens to the groups while the work is done."""

    async def listen() -> list[dict[str, Any]]:
        listener = Listener()
        async with AsyncExitStack() as stack:
            for group in groups:
                await stack.enter_async_context(realtime.listening(group, listener))
            await database_sync_to_async(work)()
            return (await listener.until(frames=frames)).frames

    return asyncio.run(listen())
