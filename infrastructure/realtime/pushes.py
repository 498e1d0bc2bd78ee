"""Sending frames to sockets, from services and tasks."""

import asyncio
import json
import os
from collections.abc import Mapping
from threading import Lock, Thread
from typing import Any, Final

import structlog
from channels.layers import get_channel_layer
from django.db import transaction

from infrastructure.realtime.layer import FRAME, RedisHubLayer
from infrastructure.redis import RedisUnavailable, unavailable_as

# Seconds that a caller is held up by a Redis that does not answer.
PATIENCE: Final = 1.0
# Of a few that are larger everybody would be too slow a reader.
FRAME_BYTES: Final = 64 * 1024

log = structlog.get_logger("layerline.realtime")


def push(group: str, *frames: Mapping[str, Any]) -> None:
    """Send frames to every socket that listens to the group, once the current transaction is committed.

    They travel together, in one round trip, and are heard one by one in this order. Frames that cannot be sent are
    lost, and do not fail the caller, who is held up for about a second at most.

    Args:
        group: Letters, digits, points, hyphens and underscores, 80 at most.
        frames: JSON objects with a `type`, and a `request_id` where that is not the one of the work in hand. Ids rather
            than contents: each listener may see another part of them.

    Raises:
        TypeError, ValueError: If a frame is not JSON, or larger than FRAME_BYTES.
    """
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    # Made once, whoever listens, and at once: a frame that is not JSON fails the change it goes with.
    origin = {"request_id": request_id} if request_id else {}
    texts = [json.dumps(_from(origin, frame), allow_nan=False) for frame in frames]
    if any(len(text) > FRAME_BYTES for text in texts):
        raise ValueError(f"A frame holds {FRAME_BYTES} bytes at most; name what is larger by its id.")
    # JSON has no line break of its own.
    text = "\n".join(texts)
    transaction.on_commit(lambda: _send(group, text))


def _from(origin: Mapping[str, str], frame: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a frame with the id of the request that it goes back to."""
    return frame if "request_id" in frame else {**frame, **origin}


def _send(group: str, text: str) -> None:
    layer: Any = get_channel_layer()
    try:
        with unavailable_as():
            if isinstance(layer, RedisHubLayer):
                _finish_at_once(layer.group_send(group, {"type": FRAME, "text": text}))
            else:
                _loop.finish(layer.group_send(group, {"type": FRAME, "text": text}))
    except (RedisUnavailable, TimeoutError) as error:
        log.warning("push_lost", group=group, cause=type(error).__name__)


def _finish_at_once(work: Any) -> None:
    """Run what never waits without an event loop."""
    try:
        work.send(None)
    except StopIteration:
        return
    raise RuntimeError("It waits for something.")


class _Loop:
    """An event loop in a thread of its own, in which a channel layer of others keeps its connections from push to push.

    `async_to_sync` would make a loop and a connection for each.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def finish(self, work: Any) -> None:
        """Run a coroutine to its end, in no more time than a caller has.

        Raises:
            TimeoutError: If it takes longer.
        """
        running = asyncio.run_coroutine_threadsafe(work, self._running())
        try:
            running.result(PATIENCE)
        finally:
            running.cancel()

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                Thread(target=self._loop.run_forever, name="realtime", daemon=True).start()
            return self._loop


_loop: Final = _Loop()
# A fork takes no thread along, and no lock in a state that anybody knows.
os.register_at_fork(after_in_child=_loop.__init__)  # type: ignore[misc]  # made anew, in its place
