"""One room over a socket that may break: what is sent is stored once, and each change is seen once, in order."""

import asyncio
import json
import random
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Protocol, Self
from uuid import uuid4

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from layerline_client.errors import ClientError, GoneError, ProblemError, RefusedError

SUBPROTOCOL: Final = "layerline.v1"
# Closed for good: coming back would not help. 4401 is tried once with a fresh token.
_FOR_GOOD: Final = frozenset({4400, 4403, 4404, 4430})
_NOT_SIGNED_IN: Final = 4401
_TOO_FAST: Final = 4429
_BROKEN: Final = 1006
_LEFT: Final = 1000
_RESTARTING: Final = 1012
_FAULT_OF_THE_SERVER: Final = 500
_TOO_MANY_REQUESTS: Final = 429
_SECONDS_TO_CALM_DOWN: Final = 60.0
# Pauses before coming back, in seconds: a fair share of each other's, or all clients would come at once.
_SHORTEST: Final = 0.2
_LONGEST: Final = 20.0
_SECONDS_TO_CONNECT: Final = 10.0
# The server gives up on who is silent for 60 s.
_SECONDS_BETWEEN_PINGS: Final = 20.0
_SECONDS_BEFORE_THE_END: Final = 30.0
# So much is kept for an application that does not look; then the server waits, and gives this client up as too slow.
_FRAMES_KEPT: Final = 1_000
_FRAME_BYTES: Final = 1024 * 1024


class Access(Protocol):
    """Gives an access token."""

    async def __call__(self, *, fresh: bool = False) -> str: ...


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that is stored."""

    id: str
    seq: int
    sent_at: str
    # Under which the server's logs and traces have it.
    request_id: str


class Room:
    """A room that one is in, from entering its block to leaving it.

    A break is mended behind it: the socket comes back, what was missed comes first, and what was sent without an answer
    is sent again under the same `client_id`, so that it is stored once.
    """

    def __init__(self, address: str, access: Access, *, after: int | None = None) -> None:
        self.welcome: Mapping[str, Any] = {}
        # The last change that was given out, or is waiting to be.
        self.seq = after
        # How often the socket was opened.
        self.connections = 0
        self._address, self._access = address, access
        self._frames: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(_FRAMES_KEPT)
        self._waiting: dict[str, tuple[str, asyncio.Future[dict[str, Any]]]] = {}
        self._is_open = asyncio.Event()
        self._socket: ClientConnection | None = None
        self._error: ClientError | None = None
        self._refs = 0

    async def __aenter__(self) -> Self:
        self._work = asyncio.create_task(self._stay())
        opened = asyncio.create_task(self._is_open.wait())
        await asyncio.wait({self._work, opened}, return_when=asyncio.FIRST_COMPLETED)
        opened.cancel()
        if self._error:
            raise self._error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._work.cancel()
        with suppress(asyncio.CancelledError):
            await self._work

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        """Give every frame that the server sends by itself; those with a `seq` each once, and in order.

        Raises:
            GoneError: If the room was closed to this client for good.
            ProblemError: If the session is over.
        """
        while (frame := await self._frames.get()) is not None:
            yield frame
        if self._error:
            raise self._error

    async def next(self, kind: str) -> dict[str, Any]:
        """Return the next frame of a type, and drop what comes before it."""
        async for frame in self:
            if frame["type"] == kind:
                return frame
        raise ClientError("The room was left.")

    async def send(self, text: str, *, client_id: str | None = None) -> Sent:
        """Send a message, and return once it is stored; also over a break.

        Raises:
            RefusedError: If the server does not take it.
            GoneError: If the room is closed to this client for good.
        """
        ack = await self.call("message", message=text, client_id=client_id or str(uuid4()))
        return Sent(ack["id"], ack["seq"], ack["sent_at"], ack["request_id"])

    async def edit(self, message_id: str, text: str) -> None:
        """Change an own message."""
        await self.call("edit", id=message_id, message=text)

    async def delete(self, message_id: str) -> None:
        """Take a message back."""
        await self.call("delete", id=message_id)

    async def read(self, seq: int) -> None:
        """Tell how far one has read."""
        await self.call("read", seq=seq)

    async def history(self, **where: int) -> dict[str, Any]:
        """Return a page of what was said: `before` or `after` a sequence number, at most `limit` messages."""
        return await self.call("history", **where)

    async def typing(self, *, state: bool) -> None:
        """Tell the others that one writes; nothing is kept of it, and nothing answers."""
        if self._socket is not None:
            with suppress(ConnectionClosed):
                await self._socket.send(json.dumps({"type": "typing", "state": state}))

    async def call(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Send a frame and return its answer. After a break it is sent again: use it for what can be done twice.

        Raises:
            RefusedError: If the answer is an `error`.
            GoneError: If the room is closed to this client for good.
        """
        if self._error:
            raise self._error
        self._refs += 1
        ref = str(self._refs)
        text = json.dumps({"type": kind, "ref": ref, **fields})
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[ref] = text, answer
        try:
            if self._is_open.is_set() and self._socket is not None:
                with suppress(ConnectionClosed):
                    await self._socket.send(text)
            return await answer
        finally:
            del self._waiting[ref]

    async def break_off(self) -> None:
        """Cut the connection without a word, as a lost network does."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def _stay(self) -> None:
        """Come back after each break until there is no way back."""
        try:
            await self._connect_again_and_again()
        except ClientError as error:
            self._error = error
        finally:
            ending = self._error or GoneError(_LEFT, "the room was left")
            for _, answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(ending)
            with suppress(asyncio.QueueFull):
                self._frames.put_nowait(None)

    async def _connect_again_and_again(self) -> None:
        pause, fresh = _SHORTEST, False
        while True:
            before = self.connections
            code, reason = await self._connect_once(fresh=fresh)
            if self.connections > before:
                pause, was_fresh = _SHORTEST, False
            else:
                was_fresh = fresh
            fresh = code == _NOT_SIGNED_IN
            if code in _FOR_GOOD or (fresh and was_fresh):
                raise GoneError(code, reason)
            await asyncio.sleep(_seconds_until_the_next(code, reason, pause))
            pause = min(pause * 2, _LONGEST)

    async def _connect_once(self, *, fresh: bool) -> tuple[int, str]:
        """Return how the next connection was closed, or was not even opened.

        Raises:
            ClientError: If coming back would not help.
        """
        try:
            return await self._connect(fresh=fresh)
        except InvalidStatus as error:
            if error.response.status_code < _FAULT_OF_THE_SERVER:
                raise GoneError(error.response.status_code) from None
        except ProblemError as problem:
            if problem.status < _FAULT_OF_THE_SERVER and problem.status != _TOO_MANY_REQUESTS:
                raise
        except (OSError, TimeoutError, WebSocketException):
            pass
        return _BROKEN, ""

    async def _connect(self, *, fresh: bool) -> tuple[int, str]:
        """Hold one connection to its end, and return how it was closed."""
        access = await self._access(fresh=fresh)
        address = self._address if self.seq is None else f"{self._address}?after={self.seq}"
        async with connect(
            address,
            subprotocols=[SUBPROTOCOL, f"bearer.{access}"],  # type: ignore[list-item]  # a NewType of str
            compression=None,
            open_timeout=_SECONDS_TO_CONNECT,
            max_size=_FRAME_BYTES,
            proxy=None,
        ) as socket:
            self._socket = socket
            beside = [asyncio.create_task(self._ping(socket)), asyncio.create_task(self._renew())]
            try:
                async for text in socket:
                    await self._take(json.loads(text))
            except ConnectionClosed:
                pass
            finally:
                self._is_open.clear()
                self._socket = None
                for task in beside:
                    task.cancel()
                await asyncio.gather(*beside, return_exceptions=True)
            return socket.close_code or _BROKEN, socket.close_reason or ""

    async def _take(self, frame: dict[str, Any]) -> None:
        if frame.get("ref") in self._waiting:
            self._answer(frame)
        elif frame["type"] == "welcome":
            await self._enter(frame)
        elif frame["type"] == "resync":
            await self._frames.put(frame)
            await self.break_off()
        elif "seq" in frame and frame["type"] != "read":
            await self._take_in_order(frame)
        elif frame["type"] not in {"ack", "pong", "auth.ok", "history"}:
            await self._frames.put(frame)

    def _answer(self, frame: dict[str, Any]) -> None:
        _, answer = self._waiting[frame["ref"]]
        if answer.done():
            return
        if frame["type"] == "error":
            answer.set_exception(RefusedError(frame))
        else:
            answer.set_result(frame)

    async def _enter(self, frame: dict[str, Any]) -> None:
        self.welcome = frame
        self.connections += 1
        if self.seq is None:
            self.seq = int(frame["last_seq"])
        self._is_open.set()
        # What the break left without an answer; a message that was stored nevertheless is known by its client_id.
        for text, answer in list(self._waiting.values()):
            if not answer.done() and self._socket is not None:
                await self._socket.send(text)

    async def _take_in_order(self, frame: dict[str, Any]) -> None:
        """Give a change out if it is the next; drop one that was seen, and come back for those before it."""
        last = self.seq or 0
        if frame["seq"] == last + 1:
            self.seq = frame["seq"]
            await self._frames.put(frame)
        elif frame["seq"] > last:
            await self.break_off()

    async def _ping(self, socket: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            while True:
                await asyncio.sleep(_SECONDS_BETWEEN_PINGS)
                await socket.send('{"type": "ping"}')

    async def _renew(self) -> None:
        """Give the server a newer token before the socket ends with the one that opened it."""
        with suppress(ConnectionClosed, ProblemError, OSError):
            await self._is_open.wait()
            end = self.welcome["expires_at"]
            while True:
                left = (datetime.fromisoformat(end) - datetime.now(UTC)).total_seconds()
                await asyncio.sleep(max(left - _SECONDS_BEFORE_THE_END, 1))
                end = (await self.call("auth", token=await self._access(fresh=True)))["expires_at"]


def _seconds_until_the_next(code: int, reason: str, pause: float) -> float:
    if code == _RESTARTING and (told := re.search(r"retry=(\d+(?:\.\d+)?)", reason)):
        return float(told[1])
    if code == _TOO_FAST:
        return _SECONDS_TO_CALM_DOWN
    if code == _NOT_SIGNED_IN:
        return 0
    return pause * random.uniform(0.5, 1)  # noqa: S311  # no secret
