"""WebSockets on uvicorn: `uvicorn --ws infrastructure.realtime.protocol:FrameProtocol`.

Takes the finished frames of outlets as they are, and mends what a stranger could do to uvicorn's own protocol.
"""

import asyncio
import random
import socket
from http import HTTPStatus
from typing import Any, ClassVar, Final

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.protocol import State

from infrastructure.realtime.outlets import BACKLOG, FRAMES

# Bytes of a message from a client, whatever `--ws-max-size` allows; a larger one closes the socket with 1009.
MESSAGE_BYTES: Final = 64 * 1024
# Seconds over which those come back whose server restarts.
RESTART_SPREAD: Final = 10
# Bytes that the system takes before it has sent them. It would take megabytes, which are nobody's backlog then.
_UNSENT: Final = 64 * 1024
_INTERNET: Final = frozenset({socket.AF_INET, socket.AF_INET6})
# Bytes that are parsed before the application has read what was in them: a message of a few bytes takes some hundred
# while it waits.
_SLICE: Final = 4 * 1024


class _Inbox:
    """What waits for the application: an asyncio.Queue of its own would take 3 kB of each idle socket."""

    __slots__ = ("_messages", "_waiter")

    def __init__(self) -> None:
        self._messages: list[Any] = []
        self._waiter: asyncio.Future[None] | None = None

    def empty(self) -> bool:
        return not self._messages

    def put_nowait(self, message: Any) -> None:
        self._messages.append(message)
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    async def get(self) -> Any:
        while not self._messages:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._messages.pop(0)


class _Gate:
    """Closed while the reader is behind: an asyncio.Event, which takes a tenth of its room while nobody waits."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event: asyncio.Event | None = None

    def set(self) -> None:
        if self._event:
            self._event.set()
            self._event = None

    def clear(self) -> None:
        if self._event is None:
            self._event = asyncio.Event()

    async def wait(self) -> None:
        if self._event:
            await self._event.wait()


class _Writer:
    """Writes finished frames to one socket: all that a delivery has to look at, side by side."""

    __slots__ = ("_gate", "_transport", "is_open")

    def __init__(self, transport: asyncio.Transport, gate: _Gate) -> None:
        self._transport = transport
        self._gate = gate
        self.is_open = False

    @property
    def backlog(self) -> int:
        """Bytes that wait for the reader in this process."""
        return self._transport.get_write_buffer_size()

    def write_frame(self, frame: bytes, limit: int) -> bool:
        """Write a frame without waiting, unless more than `limit` bytes would wait then; tell whether they would not.

        Nothing happens where the socket is not open.
        """
        transport = self._transport
        if transport.get_write_buffer_size() + len(frame) > limit:
            return False
        if self.is_open and not transport.is_closing():
            transport.write(frame)
        return True

    async def drained(self) -> None:
        """Wait until little waits for the reader."""
        await self._gate.wait()


class FrameProtocol(WebSocketsSansIOProtocol):
    """uvicorn's protocol, which writes finished frames too, waits for no reader, and answers every handshake.

    Frames are never compressed: a compressor costs each socket 44 kB, and each delivery the work again.
    """

    # In these the other side may read what waits for it, once the socket is to be closed.
    seconds_to_leave: ClassVar[float] = 5.0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.queue: Any = _Inbox()
        self.writable: Any = _Gate()
        self._writer: _Writer
        self.conn.available_extensions = None
        self.conn.max_message_size = min(self.config.ws_max_size, MESSAGE_BYTES)
        self._unread = b""
        self._is_deaf = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._writer = _Writer(transport, self.writable)
        connection = transport.get_extra_info("socket")
        if connection.family in _INTERNET and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)

    async def run_asgi(self) -> None:
        extensions: Any = self.scope["extensions"]
        extensions[FRAMES] = self._writer
        await super().run_asgi()
        self._end_soon()

    async def receive(self) -> Any:
        message = await super().receive()
        self._read()
        return message

    async def send(self, message: Any) -> None:
        is_close = message["type"] == "websocket.close"
        if is_close:
            # A close code is for a slow reader too, and waits for nobody.
            self.writable.set()
            self._writer.is_open = False
        await self.writable.wait()
        if self.close_sent or self.transport.is_closing():
            raise ClientDisconnected
        await super().send(message)
        if is_close:
            self._end_soon()
        elif message["type"] == "websocket.accept":
            self._writer.is_open = True
            # Some 3 kB, which nobody needs any more.
            del self.request, self.response

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        self._unread += data
        self._read()

    def handle_cont(self, event: Frame) -> None:
        # A fragment without data adds nothing, and any number of them would be kept.
        if event.data or event.fin:
            super().handle_cont(event)

    def handle_ping(self) -> None:
        if self._writer.backlog > BACKLOG:
            # It asks for answers and reads none.
            self.transport.abort()
        elif not self.close_sent:
            super().handle_ping()

    def send_receive_event_to_app(self) -> None:
        if self.close_sent or self.curr_msg_data_type == "bytes" or _is_text(self.frames):
            super().send_receive_event_to_app()
        else:
            self.conn.fail(CloseCode.INVALID_DATA)
            self.handle_parser_exception()

    def handle_parser_exception(self) -> None:
        """Close the socket of whoever breaks the protocol, in a way that lets him read why."""
        if self.close_sent:
            return
        if not self.handshake_complete or self.conn.close_sent is None:
            self._refuse_handshake()
            return
        close, self.close_sent = self.conn.close_sent, True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": close.code, "reason": close.reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self._hang_up()
        self._end_soon()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._end_soon()

    def shutdown(self) -> None:
        """Tell that this process ends, and after how many seconds to come back: not everybody at once."""
        if self.handshake_complete and self.conn.state is State.OPEN and not self.transport.is_closing():
            self._restart()
        elif self.handshake_complete:
            self.transport.close()
        else:
            super().shutdown()
        self._end_soon()

    def _restart(self) -> None:
        self.stop_keepalive()
        self.close_sent = True
        reason = f"retry={random.randint(1, RESTART_SPREAD)}"  # noqa: S311  # no secret
        self.queue.put_nowait({"type": "websocket.disconnect", "code": CloseCode.SERVICE_RESTART, "reason": reason})
        self.conn.send_close(CloseCode.SERVICE_RESTART, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self._hang_up()

    def _hang_up(self) -> None:
        """Say nothing more, and let the other side read what was said.

        What is still on its way here is read and thrown away: the system resets a connection that is closed before, and
        the close code would be lost.
        """
        self._unread, self._is_deaf, self._writer.is_open = b"", True, False
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.transport.resume_reading()

    def _read(self) -> None:
        """Parse what has come, until there is a message for the application."""
        while self._unread and not (self.read_paused or self.transport.is_closing()):
            data, self._unread = self._unread[:_SLICE], self._unread[_SLICE:]
            super().data_received(data)
            if self.conn.handshake_exc and not self.handshake_initiated:
                self._refuse_handshake()
        if self.transport.is_closing():
            self._end_soon()

    def _refuse_handshake(self) -> None:
        """Answer what cannot become a socket, and end it."""
        if not self.close_sent:
            self.handshake_complete = self.close_sent = True
            answer = b"".join(self.conn.data_to_send())
            refusal = self.conn.reject(HTTPStatus.BAD_REQUEST, "This is no WebSocket handshake.\n")
            self.transport.write(answer or refusal.serialize())
            self.transport.close()

    def _end_soon(self) -> None:
        """End a connection that is to be closed, whether the other side reads what waits for it or not."""
        if self.close_timer is not None:
            self.close_timer.cancel()
        if not self.disconnected:
            self.close_timer = self.loop.call_later(self.seconds_to_leave, self.transport.abort)


def _is_text(fragments: list[bytes]) -> bool:
    try:
        b"".join(fragments).decode()
    except UnicodeDecodeError:
        return False
    return True
