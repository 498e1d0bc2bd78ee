"""Hearing what is pushed, over whichever channel layer is configured."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from channels.layers import get_channel_layer

from infrastructure.realtime.hub import Listener, RealtimeUnavailable, tell
from infrastructure.realtime.layer import RedisHubLayer
from infrastructure.redis import unavailable_as


@asynccontextmanager
async def listening(group: str, listener: Listener) -> AsyncIterator[None]:
    """Tell a listener each frame that is pushed to the group, as text and in order, until the end of the block.

    Nothing that is pushed after the block has begun is missed without a call of `interrupted`; a channel layer of
    others makes no such call.

    Raises:
        RealtimeUnavailable: If Redis is away at the beginning. A connection that breaks later comes back by itself.
    """
    layer: Any = get_channel_layer()
    if isinstance(layer, RedisHubLayer):
        async with layer.listening(group, listener):
            yield
    else:
        async with _receiving(layer, group, listener):
            yield


@asynccontextmanager
async def _receiving(layer: Any, group: str, listener: Listener) -> AsyncIterator[None]:
    with unavailable_as(RealtimeUnavailable):
        channel = await layer.new_channel()
        await layer.group_add(group, channel)
    receiver = asyncio.create_task(_receive(layer, channel, listener))
    try:
        yield
    finally:
        receiver.cancel()
        await asyncio.wait([receiver])
        with suppress(RealtimeUnavailable), unavailable_as(RealtimeUnavailable):
            await layer.group_discard(group, channel)


async def _receive(layer: Any, channel: str, listener: Listener) -> None:
    while True:
        message = await layer.receive(channel)
        for text in message["text"].split("\n"):
            tell(listener.heard, text)
