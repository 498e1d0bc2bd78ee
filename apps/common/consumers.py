"""What every socket shares: who may open one, how frames are read and answered, and when it ends."""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from time import monotonic
from typing import Any, ClassVar, Final, override
from urllib.parse import parse_qs

import structlog
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.utils import timezone
from rest_framework.exceptions import ParseError, Throttled
from uuid6 import uuid7

from apps.common.enums import CloseCode
from apps.common.exceptions import AuthenticationError, FieldError, InvalidInputError
from apps.common.frames import AUTH, ERROR, FRAME_BYTES, PING, REF_LENGTH, ClientFrame, Frame, ServerFrame
from apps.common.handlers import PROBLEMS, error_frame
from apps.common.parsers import read_json
from apps.common.serializers import validated
from apps.common.types import Actor, SignedIn, SocketDoor
from infrastructure import realtime
from infrastructure.ratelimit import Limit, configured

type Answer = Mapping[str, Any]
type Handler = Callable[..., Awaitable[Answer]]

# Offered by clients that send their token with the handshake: `layerline.v1, bearer.ACCESS`.
SUBPROTOCOL: Final = "layerline.v1"
BEARER: Final = "bearer."
# So many bad frames in so many seconds are answered; one more closes the socket.
BAD_FRAMES: Final = 20
BAD_FRAMES_SECONDS: Final = 60
_ENVELOPE: Final = frozenset({"type", "ref"})
_UNAUTHORIZED: Final = 401
_SENDERS_FAULT: Final = frozenset({400, 429})
# What cannot be said in a frame, since nobody has signed in yet; the others are 4000 and the status.
_CLOSE_CODES: Final = {400: CloseCode.NOT_SIGNED_IN, 500: CloseCode.INTERNAL_ERROR, 503: CloseCode.TRY_AGAIN_LATER}

log = structlog.get_logger("layerline.sockets")


def takes(frame: ClientFrame) -> Callable[[Handler], Handler]:
    """Let a method answer a kind of frame.

    It is given what the frame holds besides `type` and `ref`, checked, and returns what the answer holds: the first of
    the frame's answers, unless it names the `type` of another one.
    """

    def declare(handler: Handler) -> Handler:
        vars(handler)["frame"] = frame
        return handler

    return declare


class BaseConsumer(AsyncWebsocketConsumer):
    """A thin door for sockets, as BaseViewSet is one for requests.

    A subclass names the groups that it listens to, the frames that it `tells` by itself, and has, marked with `takes`,
    a method for each frame of clients, which calls one service or selector. Its answer is what it returns, or an
    `error` for what it raises. Who is signed in is asked anew at each frame, and by the clock.

    The scope holds the `door`, a SocketDoor: this module knows no accounts.
    """

    # No channel of Channels' own: it would be subscribed before anyone has signed in.
    channel_layer_alias = ""
    listens_to: Sequence[str] = ()
    tells: ClassVar[Sequence[ServerFrame]] = ()
    seconds_to_sign_in: ClassVar[float] = 10
    seconds_between_checks: ClassVar[float] = 10
    # Whoever is too slow a reader even for a close code is given up after so long.
    seconds_to_read: ClassVar[float] = 10
    _taken: ClassVar[Mapping[str, tuple[ClientFrame, str]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        methods = [(name, getattr(cls, name)) for name in dir(cls)]
        taken = [(method.frame, name) for name, method in methods if hasattr(method, "frame")]
        cls._taken = {frame.kind: (frame, name) for frame, name in taken}

    @classmethod
    def frames(cls) -> list[Frame]:
        """Return every frame that goes over this socket: those of clients, their answers, and what is told besides."""
        taken = [frame for frame, _ in cls._taken.values()]
        answers = [answer for frame in taken for answer in frame.answers]
        return list(dict.fromkeys([*taken, *answers, ERROR, *cls.tells]))

    @classmethod
    def as_asgi(cls, **initkwargs: Any) -> Any:
        """Return the application, as what an address of Django's may lead to."""
        return super().as_asgi(**initkwargs)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self._task = asyncio.current_task()
        self._signed_in: SignedIn | None = None
        self._is_open = asyncio.Event()
        self._is_closed = self._is_given_up = False
        self._code: int | None = None
        self._ref: dict[str, str] = {}
        self._bad_frames: deque[float] = deque(maxlen=BAD_FRAMES)
        self._outlet = realtime.outlet_of(scope, send, self._fall_behind)
        try:
            async with AsyncExitStack() as self._at_end:
                try:
                    await super().__call__(scope, receive, send)
                finally:
                    self._outlet.close()
        except asyncio.CancelledError:
            if not self._is_given_up:
                raise
        finally:
            log.info("socket", path=scope["path"], close_code=self._code)

    @property
    def actor(self) -> Actor:
        """Whoever is signed in.

        Raises:
            AuthenticationError: If nobody is.
        """
        return self._session().actor

    async def opened(self) -> Answer:
        """Return what the welcome tells besides; a domain error closes the socket with the code that fits."""
        return {}

    def limits(self) -> Sequence[Limit]:
        """Return what a frame counts against: the same as a request."""
        return [configured(scope, str(self.actor.id)) for scope in ("burst", "sustained")]

    @takes(AUTH)
    async def auth(self, token: str) -> Answer:
        """Sign in; later, stay signed in with a newer token of the same session."""
        return await self._sign_in(self._door.by_token, token)

    @takes(PING)
    async def ping(self) -> Answer:
        """Tell that somebody is there."""
        return {}

    def heard(self, text: str) -> None:
        """Send what is pushed to one of the groups."""
        self._outlet.write(realtime.prepared(text))

    def interrupted(self) -> None:
        """Take note that something may have been missed, which no socket of hints has to."""

    async def connect(self) -> None:
        """Accept the socket; only a foreign page is refused with HTTP 403, since a close code is for who is let in."""
        structlog.contextvars.bind_contextvars(request_id=str(uuid7()))
        if not self._is_from_allowed_origin():
            await self.close()
            return
        offered = self.scope["subprotocols"]
        await self.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
        await self.accepted()

    async def accepted(self) -> None:
        """Sign in whoever came with a ticket or a token, and wait for the others to do so."""
        self._run(self._watch())
        tickets = parse_qs(self.scope["query_string"].decode("latin-1")).get("ticket", [])
        tokens = [name.removeprefix(BEARER) for name in self.scope["subprotocols"] if name.startswith(BEARER)]
        if tickets:
            await self._take_turn(partial(self._sign_in, self._door.by_ticket, tickets[0]))
        elif tokens:
            await self._take_turn(partial(self._sign_in, self._door.by_token, tokens[0]))

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self._is_closed:
            return
        if len(bytes_data or (text_data or "").encode()) > FRAME_BYTES:
            await self.close(CloseCode.TOO_LARGE)
            return
        await self._take_turn(partial(self._read, text_data))

    async def disconnect(self, code: int) -> None:
        self._is_closed, self._code = True, code
        self._outlet.close()

    @override
    async def close(self, code: int | bool | None = None, reason: str | None = None) -> None:
        """Close the socket, unless it is closed."""
        if not self._is_closed:
            self._is_closed = True
            self._outlet.close()
            await super().close(code, reason)

    async def _take_turn(self, work: Callable[[], Awaitable[Answer]]) -> None:
        """Do one thing, and answer with what came of it; what it leads to is pushed after its answer."""
        request_id = str(uuid7())
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            self._outlet.hold()
            self._ref = {}
            try:
                answer = await work()
            except Exception as error:  # noqa: BLE001  # the one handler of errors maps and logs each
                await self._refuse(error)
            else:
                await self._send({**self._ref, **answer, "request_id": request_id})
            self._outlet.release()

    async def _read(self, text: str | None) -> Answer:
        frame = _parsed(text)
        self._ref, kind = _ref(frame), frame["type"]
        if not self._is_open.is_set() and kind != "auth":
            raise AuthenticationError
        if kind not in self._taken:
            raise InvalidInputError([FieldError("type", "unknown", "There is no such frame here.")])
        if self._is_open.is_set() and kind != "ping":
            await self._admit()
        data = {name: value for name, value in frame.items() if name not in _ENVELOPE}
        taken, method = self._taken[kind]
        answer: Answer = await getattr(self, method)(**validated(taken.shape(data=data)))
        return {"type": taken.answers[0].kind, **answer}

    async def _sign_in(self, way: Callable[[str], SignedIn], secret: str) -> Answer:
        signed_in = await database_sync_to_async(way)(secret)
        if not self._is_open.is_set():
            return await self._open(signed_in)
        if signed_in.session_id != self._session().session_id:
            raise AuthenticationError
        self._signed_in = signed_in
        return {"type": "auth.ok", "expires_at": signed_in.expires_at.isoformat()}

    async def _open(self, signed_in: SignedIn) -> Answer:
        self._signed_in = signed_in
        structlog.contextvars.bind_contextvars(user_id=str(self.actor.id))
        welcome = await self.opened()
        for group in self.listens_to:
            await self._at_end.enter_async_context(realtime.listening(group, self))
        self._is_open.set()
        return {"type": "welcome", "you": str(self.actor.id), "expires_at": signed_in.expires_at.isoformat(), **welcome}

    async def _admit(self) -> None:
        """Refuse a frame of somebody who is signed in no longer, and one beyond a limit."""
        self._signed_in = await database_sync_to_async(self._door.again)(self._session(), self.limits())
        verdict = self._signed_in.verdict
        # No verdict: Redis is away, and what it cannot count is served.
        if verdict and not verdict.allowed:
            raise Throttled(verdict.retry_after)

    async def _refuse(self, error: Exception) -> None:
        answer = error_frame(error) | self._ref
        status = PROBLEMS[answer["code"]].status
        if not self._is_open.is_set() or status == _UNAUTHORIZED:
            await self.close(_CLOSE_CODES.get(status, 4000 + status))
        elif status in _SENDERS_FAULT and self._is_one_too_many():
            await self.close(4000 + status)
        else:
            await self._send(answer)

    def _is_one_too_many(self) -> bool:
        now = monotonic()
        too_many = len(self._bad_frames) == BAD_FRAMES and now - self._bad_frames[0] < BAD_FRAMES_SECONDS
        self._bad_frames.append(now)
        return too_many

    async def _send(self, frame: Mapping[str, Any]) -> None:
        if not self._is_closed:
            await self.send(json.dumps(frame))

    def _fall_behind(self) -> None:
        """End the socket of too slow a reader, who must not be waited for."""
        self._run(self._close_too_slow())

    async def _close_too_slow(self) -> None:
        try:
            async with asyncio.timeout(self.seconds_to_read):
                await self.close(CloseCode.TOO_SLOW)
        except TimeoutError:
            # A close code would wait behind all that is not read.
            self._code, self._is_given_up = CloseCode.TOO_SLOW, True
            if self._task:
                self._task.cancel()

    async def _watch(self) -> None:
        """Close the socket of whoever does not sign in in time, or is signed in no longer."""
        try:
            await asyncio.wait_for(self._is_open.wait(), self.seconds_to_sign_in)
            while True:
                left = (self._session().expires_at - timezone.now()).total_seconds()
                await asyncio.sleep(min(max(left, 0.1), self.seconds_between_checks))
                await self._check()
        except (TimeoutError, AuthenticationError):
            await self.close(CloseCode.NOT_SIGNED_IN)

    async def _check(self) -> None:
        try:
            self._signed_in = await database_sync_to_async(self._door.again)(self._session(), ())
        except AuthenticationError:
            raise
        except Exception as error:  # noqa: BLE001  # logged there; a store that is away has signed nobody out
            error_frame(error)

    @property
    def _door(self) -> SocketDoor:
        door: SocketDoor = self.scope["door"]  # type: ignore[typeddict-item]  # put there by the application
        return door

    def _session(self) -> SignedIn:
        if self._signed_in is None:
            raise AuthenticationError
        return self._signed_in

    def _is_from_allowed_origin(self) -> bool:
        """Tell whether the page that opens the socket may; what is no browser sends no Origin."""
        origins = [value.decode("latin-1").lower() for name, value in self.scope["headers"] if name == b"origin"]
        return all(origin in settings.WEBSOCKET_ALLOWED_ORIGINS for origin in origins)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something beside the frames, until the socket ends."""
        self._at_end.push_async_callback(_end, asyncio.create_task(work))


class UnknownSocketConsumer(BaseConsumer):
    """Answers a socket at an address that does not exist."""

    async def accepted(self) -> None:
        await self.close(CloseCode.NOT_FOUND)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _parsed(text: str | None) -> dict[str, Any]:
    """Return the frame that a text holds.

    Raises:
        ParseError: If it is no JSON.
        InvalidInputError: If it is no object with a `type`, or with a `ref` that is none.
    """
    if text is None:
        raise ParseError("Frames are text.")
    frame = read_json(text)
    if not isinstance(frame, dict):
        raise InvalidInputError([FieldError("", "invalid", "A frame is an object.")])
    if not isinstance(frame.get("type"), str):
        raise InvalidInputError([FieldError("type", "required", "A frame names its type.")])
    if "ref" in frame and not _ref(frame):
        raise InvalidInputError([FieldError("ref", "invalid", f"A ref is a text of {REF_LENGTH} characters at most.")])
    return frame


def _ref(frame: Mapping[str, Any]) -> dict[str, str]:
    ref = frame.get("ref")
    return {"ref": ref} if isinstance(ref, str) and len(ref) <= REF_LENGTH else {}
