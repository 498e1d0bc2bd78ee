import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from secrets import token_hex
from typing import Any, ClassVar, Final, override

import structlog
from channels.consumer import get_handler_name
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.utils import timezone
from rest_framework.exceptions import Throttled
from uuid6 import uuid7

from apps.common.consumers.declaring import Answer, takes
from apps.common.consumers.reading import (
    SUBPROTOCOL,
    credentials,
    is_address_admitted,
    is_from_allowed_origin,
    parsed,
    ref_of,
)
from apps.common.consumers.sessions import Doubts, sessions
from apps.common.consumers.together import PerLoop, Together, in_thread
from apps.common.enums import CloseCode
from apps.common.exceptions import AuthenticationError, FieldError, InvalidInputError
from apps.common.frames import AUTH, ERROR, FRAME_BYTES, PING, ClientFrame, Frame, ServerFrame
from apps.common.handlers import PROBLEMS, error_frame
from apps.common.serializers import StrictSerializer
from apps.common.types import Actor, SignedIn, SocketDoor, account_group
from infrastructure import metrics, occupancy, realtime
from infrastructure.occupancy import Place
from infrastructure.ratelimit import Limit, configured
from infrastructure.redis import RedisUnavailable

# So many bad frames in so many seconds are answered; one more closes the socket.
BAD_FRAMES: Final = 20
BAD_FRAMES_SECONDS: Final = 60
_ENVELOPE: Final = frozenset({"type", "ref"})
_UNAUTHORIZED: Final = 401
_SENDERS_FAULT: Final = frozenset({400, 429})
# What cannot be said in a frame, since nobody has signed in yet; the others are 4000 and the status.
_CLOSE_CODES: Final = {400: CloseCode.NOT_SIGNED_IN, 500: CloseCode.INTERNAL_ERROR, 503: CloseCode.TRY_AGAIN_LATER}

log = structlog.get_logger("layerline.sockets")

# Those who send frames at the same moment are asked for together.
_admissions: PerLoop[SocketDoor, Together[tuple[SignedIn, Sequence[Limit]], SignedIn]] = PerLoop(
    lambda door: Together(door.again)
)


class ClosingError(Exception):
    """A socket that is to be closed for a reason that is no error of a frame."""

    def __init__(self, code: CloseCode) -> None:
        self.code = code
        super().__init__()


class BaseConsumer(AsyncWebsocketConsumer):
    """A thin door for sockets, as BaseViewSet is one for requests.

    A subclass names the groups that it listens to, the frames that it `tells` by itself, and has, marked with `takes`,
    a method for each frame of clients, which calls one service or selector. Its answer is what it returns, or an
    `error` for what it raises. Who is signed in is asked anew at each frame, by the clock, and when something is told.

    The scope holds the `door`, a SocketDoor: this module knows no accounts.
    """

    listens_to: Sequence[str] = ()
    tells: ClassVar[Sequence[ServerFrame]] = ()
    seconds_to_sign_in: ClassVar[float] = 10
    seconds_between_checks: ClassVar[float] = 10
    seconds_of_silence: ClassVar[float] = 60
    # Whoever is too slow a reader even for a close code is given up after so long.
    seconds_to_read: ClassVar[float] = 10
    _taken: ClassVar[Mapping[str, tuple[ClientFrame, StrictSerializer, str]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        methods = [(name, getattr(cls, name)) for name in dir(cls)]
        taken = [(method.frame, name) for name, method in methods if hasattr(method, "frame")]
        # A serializer keeps nothing of what it validates, and takes long to make.
        cls._taken = {frame.kind: (frame, frame.shape(), name) for frame, name in taken}

    @classmethod
    def frames(cls) -> list[Frame]:
        """Return every frame that goes over this socket: those of clients, their answers, and what is told besides."""
        taken = [frame for frame, _, _ in cls._taken.values()]
        answers = [answer for frame in taken for answer in frame.answers]
        return list(dict.fromkeys([*taken, *answers, ERROR, *cls.tells]))

    @classmethod
    def as_asgi(cls, **initkwargs: Any) -> Any:
        """Return the application, as what an address of Django's may lead to."""
        return super().as_asgi(**initkwargs)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope, self.base_send = scope, send
        self.id = token_hex(8)
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._signed_in: SignedIn | None = None
        self._is_open = self._is_new = self._is_closed = self._is_given_up = False
        self._code: int | None = None
        self._envelope: dict[str, str] = {}
        self._bad_frames: deque[float] = deque(maxlen=BAD_FRAMES)
        self._heard_at = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self.outlet = realtime.outlet_of(scope, send, partial(self.end, CloseCode.TOO_SLOW))
        metrics.socket_opened()
        try:
            async with AsyncExitStack() as self._at_end:
                await self._serve(receive)
        except asyncio.CancelledError:
            if not self._is_given_up:
                raise
        finally:
            metrics.socket_closed(code=self._code)
            log.info("socket", path=scope["path"], close_code=self._code)

    async def _serve(self, receive: Callable[[], Awaitable[Any]]) -> None:
        try:
            while True:
                await self.dispatch(await receive())
        except StopConsumer:
            pass
        finally:
            self.outlet.close()
            if self._timer:
                self._timer.cancel()

    async def dispatch(self, message: Any) -> None:
        """Deal with one event, without the hop to a thread by which Channels closes connections."""
        await getattr(self, get_handler_name(message))(message)

    @property
    def actor(self) -> Actor:
        """Whoever is signed in.

        Raises:
            AuthenticationError: If nobody is.
        """
        return self.signed_in.actor

    @property
    def request_id(self) -> str:
        """The id of the frame in hand."""
        return self._envelope["request_id"]

    @property
    def signed_in(self) -> SignedIn:
        """How whoever is signed in is.

        Raises:
            AuthenticationError: If nobody is.
        """
        if self._signed_in is None:
            raise AuthenticationError
        return self._signed_in

    async def opened(self) -> Answer:
        """Return what the welcome tells besides; a domain error closes the socket with the code that fits."""
        return {}

    async def welcomed(self) -> None:
        """Do what comes after the welcome; the frames of the client are answered meanwhile."""

    def limits(self, frame: ClientFrame) -> Sequence[Limit]:
        """Return what a frame counts against: the same as a request."""
        return [configured(scope, str(self.actor.id)) for scope in ("burst", "sustained")]

    @takes(AUTH)
    async def auth(self, token: str) -> Answer:
        """Sign in; later, stay signed in with a newer token of the same session."""
        return await self._sign_in(partial(self._door.by_token, token))

    @takes(PING)
    async def ping(self) -> Answer:
        """Tell that somebody is there."""
        return {}

    def heard(self, text: str) -> None:
        """Send what is pushed to one of the groups."""
        self.outlet.write(realtime.prepared(text))

    def interrupted(self) -> None:
        """Take note that something may have been missed, which no socket of hints has to."""

    def goes_on(self, signed_in: SignedIn) -> None:
        self._signed_in = signed_in

    def is_over(self) -> None:
        self.end(CloseCode.NOT_SIGNED_IN)

    async def websocket_connect(self, message: Any) -> None:
        """Accept the socket; only a foreign page is refused with HTTP 403, since a close code is for who is let in."""
        structlog.contextvars.bind_contextvars(request_id=str(uuid7()))
        if not is_from_allowed_origin(self.scope):
            await self.close()
            return
        offered = self.scope["subprotocols"]
        await self.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
        await self.accepted()

    async def accepted(self) -> None:
        """Sign in whoever came with a ticket or a token, and wait for the others to do so."""
        self._look_at_the_clock()
        way = credentials(self.scope, self._door)
        await self._take_turn(partial(self._begin, way))

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        self._heard_at = self._loop.time()
        if self._is_closed:
            return
        if len(bytes_data or (text_data or "").encode()) > FRAME_BYTES:
            await self.close(CloseCode.TOO_LARGE)
            return
        await self._take_turn(partial(self._read, text_data))

    async def websocket_disconnect(self, message: Any) -> None:
        self._is_closed, self._code = True, message["code"]
        raise StopConsumer

    @override
    async def close(self, code: int | bool | None = None, reason: str | None = None) -> None:
        """Close the socket, unless it is closed."""
        if not self._is_closed:
            self._is_closed = True
            self.outlet.close()
            await super().close(code, reason)

    async def answer(self, answer: Answer) -> None:
        """Send an answer to the frame in hand, of which there may be several."""
        await self._send({**answer, **self._envelope})

    async def _take_turn(self, work: Callable[[], Awaitable[Answer | None]]) -> None:
        """Do one thing, and answer with what came of it; what it leads to is pushed after its answer."""
        request_id = str(uuid7())
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            self.outlet.hold()
            self._envelope = {"request_id": request_id}
            try:
                answer = await work()
            except ClosingError as closing:
                await self.close(closing.code)
            except Exception as error:  # noqa: BLE001  # the one handler of errors maps and logs each
                await self._refuse(error)
            else:
                if answer is not None:
                    await self.answer(answer)
            self.outlet.release()
        if self._is_new:
            self._is_new = False
            self.run(self._follow_welcome())

    async def _follow_welcome(self) -> None:
        try:
            await self.welcomed()
        except Exception as error:  # noqa: BLE001  # the one handler of errors maps and logs each
            # A socket that would wait for what never comes is better closed: its client comes back.
            status = PROBLEMS[error_frame(error)["code"]].status
            self.end(_CLOSE_CODES.get(status, CloseCode.INTERNAL_ERROR))

    async def _begin(self, way: Callable[[], SignedIn] | None) -> Answer | None:
        if not await in_thread(is_address_admitted)(self.scope):
            raise ClosingError(CloseCode.TOO_FAST)
        return await self._sign_in(way) if way else None

    async def _read(self, text: str | None) -> Answer:
        frame = parsed(text)
        self._envelope |= ref_of(frame)
        kind = frame["type"]
        if not self._is_open and kind != AUTH.kind:
            raise AuthenticationError
        if kind not in self._taken:
            raise InvalidInputError([FieldError("type", "unknown", "There is no such frame here.")])
        taken, shape, method = self._taken[kind]
        metrics.frame_read(kind=kind)
        if self._is_open and kind != PING.kind:
            await self._admit(taken)
        values = shape.run_validation({name: value for name, value in frame.items() if name not in _ENVELOPE})
        answer: Answer = await getattr(self, method)(**values)
        return {"type": taken.answers[0].kind, **answer}

    async def _sign_in(self, way: Callable[[], SignedIn]) -> Answer:
        signed_in = await in_thread(way)()
        if not self._is_open:
            return await self._open(signed_in)
        if signed_in.session_id != self.signed_in.session_id:
            raise AuthenticationError
        self._signed_in = signed_in
        self._look_at_the_clock()
        return {"type": "auth.ok", "expires_at": signed_in.expires_at.isoformat()}

    async def _open(self, signed_in: SignedIn) -> Answer:
        self._signed_in = signed_in
        structlog.contextvars.bind_contextvars(user_id=str(self.actor.id))
        await self._take_place()
        welcome = await self.opened()
        for group in self.listens_to:
            await self._at_end.enter_async_context(realtime.listening(group, self))
        await self._listen_to_account()
        self._is_open = self._is_new = True
        self._look_at_the_clock()
        return {"type": "welcome", "you": str(self.actor.id), "expires_at": signed_in.expires_at.isoformat(), **welcome}

    async def _listen_to_account(self) -> None:
        """Hear of it when the account or its sessions change; what has changed since the sign-in is seen at once."""
        rounds = sessions.of((self._door, self.seconds_between_checks))
        rounds.add(self)
        self._at_end.callback(rounds.remove, self)
        doubts = Doubts(partial(rounds.look_at, self))
        await self._at_end.enter_async_context(realtime.listening(account_group(self.actor.id), doubts))
        rounds.look_at(self)

    async def _take_place(self) -> None:
        """Be one of the sockets that somebody may have open.

        Raises:
            ClosingError: If there are too many of them.
            RedisUnavailable: If Redis is away.
        """
        self.place = Place("sockets", str(self.actor.id), self.id)
        if not await in_thread(occupancy.take)(self.place, at_most=settings.SOCKETS_PER_USER):
            raise ClosingError(CloseCode.TOO_MANY_SOCKETS)
        self._at_end.push_async_callback(self._give_up_place)

    async def _give_up_place(self) -> None:
        with suppress(RedisUnavailable):
            await in_thread(occupancy.give_up)(self.place)

    async def _admit(self, frame: ClientFrame) -> None:
        """Refuse a frame of somebody who is signed in no longer, and one beyond a limit."""
        self._signed_in = await _admissions.of(self._door)((self.signed_in, self.limits(frame)))
        verdict = self._signed_in.verdict
        # No verdict: Redis is away, and what it cannot count is served.
        if verdict and not verdict.allowed:
            raise Throttled(verdict.retry_after)

    async def _refuse(self, error: Exception) -> None:
        answer = error_frame(error)
        status = PROBLEMS[answer["code"]].status
        if not self._is_open or status == _UNAUTHORIZED:
            await self.close(_CLOSE_CODES.get(status, 4000 + status))
        elif status in _SENDERS_FAULT and self._is_one_too_many():
            await self.close(4000 + status)
        else:
            await self.answer(answer)

    def _is_one_too_many(self) -> bool:
        now = self._loop.time()
        too_many = len(self._bad_frames) == BAD_FRAMES and now - self._bad_frames[0] < BAD_FRAMES_SECONDS
        self._bad_frames.append(now)
        return too_many

    async def _send(self, frame: Mapping[str, Any]) -> None:
        if not self._is_closed:
            await self.send(json.dumps(frame))

    def _look_at_the_clock(self) -> None:
        """Close the socket of whoever does not sign in, is silent or has a token that is over, when it is due."""
        if self._timer:
            self._timer.cancel()
        due, code = self._deadline()
        if due <= self._loop.time():
            self.end(code)
        else:
            self._timer = self._loop.call_at(due, self._look_at_the_clock)

    def _deadline(self) -> tuple[float, CloseCode]:
        if not self._is_open:
            return self._heard_at + self.seconds_to_sign_in, CloseCode.NOT_SIGNED_IN
        left = (self.signed_in.expires_at - timezone.now()).total_seconds()
        over = self._loop.time() + left
        return min((over, CloseCode.NOT_SIGNED_IN), (self._heard_at + self.seconds_of_silence, CloseCode.SILENT))

    def end(self, code: CloseCode) -> None:
        """Close the socket, and wait for nobody: who is told by the clock or by others may read nothing."""
        if not self._is_closed:
            self.run(self._close_or_give_up(code))

    async def _close_or_give_up(self, code: CloseCode) -> None:
        try:
            async with asyncio.timeout(self.seconds_to_read):
                await self.close(code)
        except TimeoutError:
            # A close code would wait behind all that is not read.
            self._code, self._is_given_up = code, True
            if self._task:
                self._task.cancel()

    @property
    def _door(self) -> SocketDoor:
        door: SocketDoor = self.scope["door"]  # type: ignore[typeddict-item]  # put there by the application
        return door

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something beside the frames, until the socket ends."""
        self._at_end.push_async_callback(_end, self._loop.create_task(work))


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
