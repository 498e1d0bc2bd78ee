"""Frames to whoever listens at a socket: pushed after the commit, and heard until the socket ends.

A push is a hint and no more. Whoever is not there misses it, and so does everyone while Redis is away: the store is the
truth, and a client that comes back asks it.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from threading import Lock, Thread
from typing import Any, Final

import structlog
from channels.layers import get_channel_layer
from django.db import transaction

from infrastructure.redis import RedisUnavailable, unavailable_as

# As long as a caller is held up by a Redis that does not answer.
PATIENCE: Final = 1.0

log = structlog.get_logger("layerline.realtime")


class RealtimeUnavailable(RedisUnavailable):
    """Nothing can be heard, for Redis is away."""


def push(group: str, frame: Mapping[str, Any]) -> None:
    """Send a frame to every socket that listens to the group, once the current transaction is committed.

    A frame that cannot be sent is lost, and does not fail the caller.

    Args:
        group: Letters, digits, points, hyphens and underscores, 80 at most.
        frame: A JSON object with a `type`. Ids rather than contents: each listener may see another part of them.

    Raises:
        TypeError, ValueError: If the frame is not JSON.
    """
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    # Made once, whoever listens, and at once: a frame that is not JSON fails the change it goes with.
    text = json.dumps({**frame, "request_id": request_id} if request_id else frame, allow_nan=False)
    transaction.on_commit(lambda: _sender.send(group, text))


@asynccontextmanager
async def listening(groups: Sequence[str]) -> AsyncIterator[AsyncIterator[str]]:
    """Give every frame that is pushed to one of the groups, as text, until the end of the block.

    Raises:
        RealtimeUnavailable: If Redis is away at the beginning. A connection that breaks later comes back by itself.
    """
    layer: Any = get_channel_layer()
    with unavailable_as(RealtimeUnavailable):
        channel = await layer.new_channel()
        for group in groups:
            await layer.group_add(group, channel)
    try:
        yield _texts(layer, channel)
    finally:
        with suppress(RealtimeUnavailable), unavailable_as(RealtimeUnavailable):
            for group in groups:
                await layer.group_discard(group, channel)


async def _texts(layer: Any, channel: str) -> AsyncIterator[str]:
    while True:
        yield (await layer.receive(channel))["text"]


class _Sender:
    """An event loop in a thread of its own, which keeps the connection of the channel layer from push to push.

    `async_to_sync` would make a loop and a connection for each.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def send(self, group: str, text: str) -> None:
        layer: Any = get_channel_layer()
        sent = asyncio.run_coroutine_threadsafe(
            layer.group_send(group, {"type": "realtime.frame", "text": text}), self._running_loop()
        )
        try:
            with unavailable_as():
                sent.result(PATIENCE)
        except (RedisUnavailable, TimeoutError) as error:
            sent.cancel()
            log.warning("push_lost", group=group, cause=type(error).__name__)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                Thread(target=self._loop.run_forever, name="realtime", daemon=True).start()
            return self._loop


_sender: Final = _Sender()
# A fork takes no thread along, and no lock in a state that anybody knows.
os.register_at_fork(after_in_child=_sender.__init__)  # type: ignore[misc]  # made anew, in its place
