"""Somebody in a room, over a real connection to a real server."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from apps.chat.consumers import ChatConsumer
from apps.common.tests.protocol import hold
from tests.e2e.servers import Server

PATIENCE: Final = 20
STORED: Final = frozenset({"message", "message.edited", "message.deleted", "member", "room"})


class Visitor:
    """A socket in a room. Each frame that the server sends must be one that it registers."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.heard: list[dict[str, Any]] = []
        self.welcome: dict[str, Any] = {}

    @classmethod
    @asynccontextmanager
    async def entered(cls, server: Server, token: str, query: str = "", slug: str = "lamps") -> AsyncIterator[Self]:
        """Be in a room until the end of the block."""
        async with opened(server, slug, token=token, query=query) as connection:
            visitor = cls(connection)
            visitor.welcome = await visitor.receive()
            assert visitor.welcome["type"] == "welcome", visitor.welcome
            yield visitor

    async def receive(self) -> dict[str, Any]:
        """Return the next frame."""
        async with asyncio.timeout(PATIENCE):
            frame: dict[str, Any] = json.loads(await self.connection.recv())
        hold(ChatConsumer, frame)
        return frame

    async def send(self, kind: str, **fields: Any) -> None:
        await self.connection.send(json.dumps({"type": kind, **fields}))

    async def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Send a frame and return its answer; what comes before is kept."""
        await self.send(kind, ref="r", **fields)
        while (frame := await self.receive()).get("ref") != "r":
            self.heard.append(frame)
        return frame

    async def happened(self, count: int) -> list[dict[str, Any]]:
        """Return the next so many things that happened in the room."""
        while len(found := [frame for frame in self.heard if frame["type"] in STORED]) < count:
            self.heard.append(await self.receive())
        return found[:count]

    async def until(self, seq: int) -> list[int]:
        """Return the numbers of all that happened, once one of them is this one."""
        while not any(frame["type"] in STORED and frame["seq"] >= seq for frame in self.heard):
            self.heard.append(await self.receive())
        return [frame["seq"] for frame in self.heard if frame["type"] in STORED]

    async def closed(self) -> tuple[int, str]:
        """Return the code and the reason with which the server closes the socket, whatever it sends before."""
        with suppress(ConnectionClosed):
            while True:
                self.heard.append(await self.receive())
        # 1006 if it broke off.
        return self.connection.close_code or 0, self.connection.close_reason or ""


@asynccontextmanager
async def opened(
    server: Server, slug: str = "lamps", *, token: str = "", query: str = "", **options: Any
) -> AsyncIterator[ClientConnection]:
    """Give a connection to a room, whatever comes of it, until the end of the block."""
    offered = [Subprotocol("layerline.v1"), Subprotocol(f"bearer.{token}")] if token else None
    address = f"ws://127.0.0.1:{server.port}/ws/chat/{slug}/?{query}"
    async with connect(
        address, subprotocols=offered, proxy=None, close_timeout=1, ping_interval=None, max_queue=None, **options
    ) as connection:
        yield connection


def played[T](scene: Coroutine[Any, Any, T]) -> T:
    """Play a scene to its end."""
    return asyncio.run(scene)
