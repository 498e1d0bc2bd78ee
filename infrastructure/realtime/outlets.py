"""The way out to one socket: never waits, never holds more than a slow reader is granted, keeps the order."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, Protocol

from infrastructure.realtime.frames import Prepared

# Bytes that are kept for a reader at most, and beyond which what may be left out is.
BACKLOG: Final = 256 * 1024
DROP_BACKLOG: Final = 64 * 1024
# The name in the scope's extensions under which a server of ours takes whole frames.
FRAMES: Final = "layerline.frames"

type Send = Callable[[Any], Awaitable[None]]


class FrameWriter(Protocol):
    """What a server offers that writes the bytes of frames as they are."""

    @property
    def backlog(self) -> int:
        """Bytes that wait for the reader."""

    def write_frame(self, frame: bytes) -> None:
        """Write a frame without waiting; nothing happens where the socket is closed."""

    async def drained(self) -> None:
        """Wait until little waits for the reader."""


class Outlet:
    """The way out to one socket, besides ASGI's own `send`.

    Args:
        overflow: Called once, when more waits for the reader than it is granted. Nothing is written any more.
    """

    __slots__ = ("_held", "_held_bytes", "_is_held", "_is_over", "_overflow")

    def __init__(self, overflow: Callable[[], None]) -> None:
        self._overflow = overflow
        self._is_held = self._is_over = False
        self._held: deque[Prepared] = deque()
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
        size = len(prepared.frame)
        backlog = self.backlog + size
        if droppable and backlog > DROP_BACKLOG:
            return
        if backlog > BACKLOG:
            self.close()
            self._overflow()
        elif self._is_held:
            self._held.append(prepared)
            self._held_bytes += size
        else:
            self._write(prepared)

    def hold(self) -> None:
        """Keep what is written from now on, so that something else may go out before it."""
        self._is_held = True

    def release(self) -> None:
        """Write what was kept, and all that follows."""
        self._is_held = False
        self._held_bytes = 0
        held, self._held = self._held, deque()
        self._write_all(held)

    def close(self) -> None:
        """Write nothing any more, neither what is kept nor what follows."""
        self._is_over = True
        self._held.clear()
        self._held_bytes = 0

    async def drained(self) -> None:
        """Wait until little waits for the reader."""
        raise NotImplementedError

    def _waiting(self) -> int:
        raise NotImplementedError

    def _write(self, prepared: Prepared) -> None:
        raise NotImplementedError

    def _write_all(self, several: Iterable[Prepared]) -> None:
        for prepared in several:
            self._write(prepared)


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

    def _write(self, prepared: Prepared) -> None:
        self._writer.write_frame(prepared.frame)

    def _write_all(self, several: Iterable[Prepared]) -> None:
        # A write for each would be a call of the system for each.
        frames = b"".join(prepared.frame for prepared in several)
        if frames:
            self._writer.write_frame(frames)


class _TextOutlet(Outlet):
    """Sends the text over ASGI, on any server: at once where the server takes it at once, else from a task."""

    __slots__ = ("_queue", "_send", "_sender", "_waiting_bytes")

    def __init__(self, send: Send, overflow: Callable[[], None]) -> None:
        super().__init__(overflow)
        self._send = send
        self._queue: deque[Prepared] = deque()
        self._waiting_bytes = 0
        self._sender: asyncio.Task[None] | None = None

    def close(self) -> None:
        super().close()
        if self._sender:
            self._sender.cancel()

    async def drained(self) -> None:
        while self._sender:
            await asyncio.wait([self._sender])

    def _waiting(self) -> int:
        return self._waiting_bytes

    def _write(self, prepared: Prepared) -> None:
        self._queue.append(prepared)
        self._waiting_bytes += len(prepared.frame)
        if self._sender is None:
            # Eager: a server that takes it at once has taken it now, and there is no task to wait for.
            sender = asyncio.Task(self._send_all(), loop=asyncio.get_running_loop(), eager_start=True)
            if not sender.done():
                self._sender = sender

    async def _send_all(self) -> None:
        try:
            while self._queue and not self._is_over:
                prepared = self._queue.popleft()
                await self._send({"type": "websocket.send", "text": prepared.text})
                self._waiting_bytes -= len(prepared.frame)
        except Exception:  # noqa: BLE001  # each server has an error of its own for a socket that is gone
            self._is_over = True
        finally:
            self._sender = None


def outlet_of(scope: Mapping[str, Any], send: Send, overflow: Callable[[], None]) -> Outlet:
    """Return the quickest way out that the socket's server has.

    Args:
        scope: The socket's.
        send: ASGI's, of the same socket.
        overflow: Called once, when more than BACKLOG waits for the reader: close the socket then.
    """
    writer: FrameWriter | None = scope.get("extensions", {}).get(FRAMES)
    return _FrameOutlet(writer, overflow) if writer else _TextOutlet(send, overflow)
