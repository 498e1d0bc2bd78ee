"""Starlette with one subscription to Redis: `uvicorn benchmarks.realtime.peers.starlette_room:application`."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

members: set[WebSocket] = set()


async def room(socket: WebSocket) -> None:
    """Be in the room until the socket ends."""
    await socket.accept()
    members.add(socket)
    try:
        with suppress(WebSocketDisconnect):
            while True:
                await socket.receive_text()
    finally:
        members.discard(socket)


async def listen() -> None:
    """Send what is published to everybody."""
    async with Redis.from_url(os.environ["REDIS_URL"], decode_responses=True).pubsub() as subscription:
        await subscription.subscribe(os.environ["PREFIX"])
        async for message in subscription.listen():
            if message["type"] == "message":
                for member in tuple(members):
                    await member.send_text(message["data"])


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    listener = asyncio.create_task(listen())
    yield
    listener.cancel()


application = Starlette(routes=[WebSocketRoute("/", room)], lifespan=lifespan)
