"""The way out to one socket: never waits, never holds more than a slow reader is granted, keeps the order."""

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, Protocol

from infrastructure.realtime.frames import Prepared

# Bytes that are kept for a reader at most, and beyond which what may be left out is.
BACKLOG: Final = 256 * 1024
DROP_BACKLOG: Final = 64 * 1024
# The name in the scope's extensions under which a server of ours takes whole frames.
FRAMES: Final = "layerline.frames"

type Send = Callable[[Any], Coroutine[Any, Any, None]]


class FrameWriter(Protocol):
    """What a server offers that writes the bytes of frames as they are."""

    @property
    def backlog(self) -> int:
        """Bytes that wait for the reader."""

    def write_frame(self, frame: bytes, limit: int) -> bool:
        """Write a frame without waiting, unless more than `limit` bytes would wait then; tell whether they would not.

        Nothing happens where the socket is closed.
        """

    async def drained(self) -> None:
        """Wait until little waits for the reader."""


class Outlet:
    """The way out to one socket, besides ASGI's own `send`.

    Args:
        overflow: Called once, when more waits for the reader than it is granted. Nothing is written any more.
    """

    __slots__ = ("_held", "_held_bytes", "_is_over", "_overflow")

    def __init__(self, overflow: Callable[[], None]) -> None:
        self._overflow = overflow
        self._is_over = False
        # None: nothing is held. Lists, for an empty deque takes as much room as fifty of them.
        self._held: list[Prepared] | None = None
        self._held_bytes = 0

    @property
    def backlog(self) -> int:
        """Bytes that wait for the reader."""
        return self._held_bytes + self._waiting()

    def write(self, prepared: Prepared, *, droppable: bool = False) -> None:
        """Write a text without waiting.

        Args:
            prepared: The text.
            droppable: Whether it may be left out for a reader who is behind.
        """
        if self._is_over:
            return
        limit = DROP_BACKLOG if droppable else BACKLOG
        fits = self._write(prepared, limit) if self._held is None else self._keep(prepared, limit)
        if not fits and not droppable:
            self.close()
            self._overflow()

    def hold(self) -> None:
        """Keep what is written from now on, so that something else may go out before it."""
        if self._held is None:
            self._held = []

    def release(self) -> None:
        """Write what was kept, and all that follows."""
        held, self._held, self._held_bytes = self._held, None, 0
        if held and not self._is_over:
            self._write_all(held)

    def close(self) -> None:
        """Write nothing any more, neither what is kept nor what follows."""
        self._is_over = True
        self._held, self._held_bytes = None, 0

    async def drained(self) -> None:
        """Wait until little waits for the reader."""
        raise NotImplementedError

    def _keep(self, prepared: Prepared, limit: int) -> bool:
        size = len(prepared.frame)
        if self._held is None or self.backlog + size > limit:
            return False
        self._held.append(prepared)
        self._held_bytes += size
        return True

    def _waiting(self) -> int:
        raise NotImplementedError

    def _write(self, prepared: Prepared, limit: int) -> bool:
        raise NotImplementedError

    def _write_all(self, several: Sequence[Prepared]) -> None:
        raise NotImplementedError


class _FrameOutlet(Outlet):
    """Writes the frame's bytes, which are the same for all."""

    __slots__ = ("_writer",)

    def __init__(self, writer: FrameWriter, overflow: Callable[[], None]) -> None:
        super().__init__(overflow)
        self._writer = writer

    async def drained(self) -> None:
        await self._writer.drained()

    def _waiting(self) -> int:
        return self._writer.backlog

    def _write(self, prepared: Prepared, limit: int) -> bool:
        return self._writer.write_frame(prepared.frame, limit)

    def _write_all(self, several: Sequence[Prepared]) -> None:
        # A write for each would be a call of the system for each. It was granted already.
        self._writer.write_frame(b"".join(prepared.frame for prepared in several), sys.maxsize)


class _TextOutlet(Outlet):
    """Sends the text over ASGI, on any server: at once where the server takes it at once, else from a task."""

    __slots__ = ("_bytes", "_queue", "_send", "_sender")

    def __init__(self, send: Send, overflow: Callable[[], None]) -> None:
        super().__init__(overflow)
        self._send = send
        self._queue: deque[Prepared] | None = None
        self._bytes = 0
        self._sender: asyncio.Task[None] | None = None

    def close(self) -> None:
        super().close()
        if self._sender:
            self._sender.cancel()

    async def drained(self) -> None:
        while self._sender:
            await asyncio.wait([self._sender])

    def _waiting(self) -> int:
        return self._bytes

    def _write(self, prepared: Prepared, limit: int) -> bool:
        if self._sender:
            return self._wait(prepared, limit)
        # A server that takes it at once has taken it now.
        sent = self._begin(prepared)
        if not sent.done():
            self._queue, self._bytes = deque(), len(prepared.frame)
            self._sender = _begun(self._send_rest(sent, self._bytes, self._queue))
        elif sent.cancelled() or sent.exception():
            # Each server has an error of its own for a socket that is gone.
            self._is_over = True
        return True

    def _write_all(self, several: Sequence[Prepared]) -> None:
        for prepared in several:
            self._write(prepared, sys.maxsize)

    def _wait(self, prepared: Prepared, limit: int) -> bool:
        size = len(prepared.frame)
        if self._queue is None or self._bytes + size > limit:
            return False
        self._queue.append(prepared)
        self._bytes += size
        return True

    def _begin(self, prepared: Prepared) -> asyncio.Task[None]:
        return _begun(self._send({"type": "websocket.send", "text": prepared.text}))

    async def _send_rest(self, sent: asyncio.Task[None], size: int, queue: deque[Prepared]) -> None:
        """Wait until a slow reader has taken the first, and go on with what came meanwhile."""
        try:
            await sent
            self._bytes -= size
            while queue and not self._is_over:
                prepared = queue.popleft()
                await self._begin(prepared)
                self._bytes -= len(prepared.frame)
        except Exception:  # noqa: BLE001  # as above
            self._is_over = True
        finally:
            self._sender, self._queue, self._bytes = None, None, 0


def outlet_of(scope: Mapping[str, Any], send: Send, overflow: Callable[[], None]) -> Outlet:
    """Return the quickest way out that the socket's server has.

    Args:
        scope: The socket's.
        send: ASGI's, of the same socket.
        overflow: Called once, when more than BACKLOG waits for the reader: close the socket then.
    """
    writer: FrameWriter | None = scope.get("extensions", {}).get(FRAMES)
    return _FrameOutlet(writer, overflow) if writer else _TextOutlet(send, overflow)


def _begun(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Return a task that has gone already as far as it can without waiting."""
    return asyncio.Task(work, loop=asyncio.get_running_loop(), eager_start=True)
