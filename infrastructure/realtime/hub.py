"""One connection of an event loop to Redis, whatever the number of channels and of those who listen to them."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Protocol

import structlog
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError, TimeoutError as RedisTimeoutError

from infrastructure.redis import RedisUnavailable

# Seconds. Somebody who wants to listen waits so long for Redis to confirm it: longer than an event loop needs to which
# thousands come back at once.
PATIENCE: Final = 5.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0
# After so long the other work of the event loop has its turn, however much is still to be delivered.
_SLICE: Final = 0.005
# Channels in one command, so that coming back with very many is no single huge one.
_AT_ONCE: Final = 1_000

log = structlog.get_logger("layerline.realtime")


class RealtimeUnavailable(RedisUnavailable):
    """Nothing can be heard, for Redis is away."""


class Listener(Protocol):
    """Somebody who is told on the event loop, and must not block it."""

    def heard(self, text: str) -> None:
        """Take a text that was sent to the group."""

    def interrupted(self) -> None:
        """Take note that texts may have been missed, and that from now on none is."""


@dataclass(eq=False, slots=True)
class _Channel:
    """Those who listen to a channel.

    Args:
        answer: Whether Redis has confirmed the subscription, once that is known.
        missed: Whether it was confirmed before the connection was lost.
    """

    answer: asyncio.Future[bool]
    listeners: dict[object, Listener] = field(default_factory=dict)
    missed: bool = False


class Hub:
    """Delivers what is published to whoever listens, and comes back by itself after Redis was away.

    A connection of redis-py is driven here by one task for reading and one for writing. Its PubSub would open two
    connections for two first subscribers at once and listen to one of them, would be reconnected by reader and writer
    against each other, and would tell nobody that something was missed meanwhile.

    Belongs to one event loop, and holds a connection only while somebody listens.
    """

    # After so much silence Redis is asked whether it is there, and after as much again it is not.
    seconds_of_silence: ClassVar[float] = 2.5

    def __init__(self, connect: Callable[[], AbstractConnection]) -> None:
        self._connect = connect
        self._channels: dict[bytes, _Channel] = {}
        self._link: asyncio.Task[None] | None = None
        self._changed: set[bytes] = set()
        self._has_changed = asyncio.Event()
        # Confirmations that are still to come, in each channel: only the last one counts.
        self._asked: Counter[bytes] = Counter()
        self._subscribed: set[bytes] = set()

    @property
    def is_idle(self) -> bool:
        """Whether nobody listens."""
        return not self._channels

    async def add(self, name: str, listener: Listener) -> object:
        """Begin to listen to a channel, and return what ends it.

        Nothing that is published after the return is missed without a call of `interrupted`.

        Raises:
            RealtimeUnavailable: If Redis does not confirm it in time.
        """
        key, token = name.encode(), object()
        channel = self._channels.get(key)
        if channel is None:
            channel = self._channels[key] = _Channel(asyncio.get_running_loop().create_future())
            if key in self._subscribed and not self._asked[key]:
                # The last one left a moment ago, and Redis was not told.
                channel.answer.set_result(True)
            self._note(key)
        channel.listeners[token] = listener
        try:
            async with asyncio.timeout(PATIENCE):
                confirmed = await asyncio.shield(channel.answer)
        except TimeoutError as error:
            await self.remove(name, token)
            raise RealtimeUnavailable("Redis does not answer.") from error
        except BaseException:
            await self.remove(name, token)
            raise
        if not confirmed:
            await self.remove(name, token)
            raise RealtimeUnavailable("Redis is not available.")
        return token

    async def remove(self, name: str, token: object) -> None:
        """End what `add` began; the last to leave closes the connection."""
        key = name.encode()
        channel = self._channels.get(key)
        if channel is None or channel.listeners.pop(token, None) is None or channel.listeners:
            return
        del self._channels[key]
        self._note(key)
        if self.is_idle and self._link:
            link, self._link = self._link, None
            link.cancel()
            await asyncio.wait([link])

    def _note(self, key: bytes) -> None:
        self._changed.add(key)
        self._has_changed.set()
        if self._link is None and self._channels:
            # In no context: what happens here happens for all, and not for the one who came first.
            self._link = asyncio.get_running_loop().create_task(self._keep_up(), context=Context())

    async def _keep_up(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._converse()
            except* (RedisError, OSError) as errors:
                log.warning("realtime_lost", cause=type(_first(errors)).__name__)
            except* Exception:
                # Whatever it was, those who listen are to hear again.
                log.exception("realtime_failed")
            if self._lose():
                pause = _FIRST_PAUSE
            # Not all processes in the same instant.
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311  # no secret
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _converse(self) -> None:
        """Be connected until the connection breaks, or the last has left."""
        connection = self._connect()
        try:
            await connection.connect()  # type: ignore[no-untyped-call]  # redis-py's
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._write(connection))
                tasks.create_task(self._read(connection))
        finally:
            with suppress(RedisError, OSError):
                await connection.disconnect(nowait=True)

    def _lose(self) -> bool:
        """Refuse those who wait, and remember whom to tell of it; return whether anything was confirmed at all."""
        self._subscribed.clear()
        self._asked.clear()
        self._changed = set(self._channels)
        self._has_changed.set()
        was_there = False
        for channel in self._channels.values():
            if channel.answer.done():
                channel.missed = was_there = True
            else:
                channel.answer.set_result(False)
            channel.answer = asyncio.get_running_loop().create_future()
        return was_there

    async def _write(self, connection: AbstractConnection) -> None:
        """Let Redis know which channels somebody listens to, and which nobody does any more."""
        while True:
            await self._has_changed.wait()
            self._has_changed.clear()
            changed, self._changed = self._changed, set()
            new = [key for key in changed if key in self._channels and key not in self._subscribed]
            old = [key for key in changed if key not in self._channels and key in self._subscribed]
            self._subscribed.update(new)
            self._subscribed.difference_update(old)
            self._asked.update(new)
            for command, keys in ((b"SUBSCRIBE", new), (b"UNSUBSCRIBE", old)):
                for start in range(0, len(keys), _AT_ONCE):
                    await connection.send_command(command, *keys[start : start + _AT_ONCE], check_health=False)

    async def _read(self, connection: AbstractConnection) -> None:
        loop = asyncio.get_running_loop()
        is_asked, until = False, 0.0
        while True:
            answer: Any = await connection.read_response(
                timeout=self.seconds_of_silence, disconnect_on_error=False, push_request=True
            )
            if answer is None:
                if is_asked:
                    raise RedisTimeoutError("Redis does not answer.")
                await connection.send_command(b"PING", check_health=False)
                is_asked = True
                continue
            is_asked = False
            if answer[0] == b"message":
                self._deliver(answer[1], answer[2])
            elif answer[0] == b"subscribe":
                self._confirm(answer[1])
            # What has arrived already is read without a pause.
            if loop.time() > until:
                await asyncio.sleep(0)
                until = loop.time() + _SLICE

    def _deliver(self, key: bytes, data: bytes) -> None:
        channel = self._channels.get(key)
        if channel is None:
            return
        for text in data.decode(errors="replace").split("\n"):
            for listener in tuple(channel.listeners.values()):
                try:
                    listener.heard(text)
                except Exception:
                    # One who fails must not cost the others what they listen to.
                    log.exception("listener_failed")

    def _confirm(self, key: bytes) -> None:
        self._asked[key] -= 1
        if self._asked[key]:
            # Somebody has left and come back since: the end of the first subscription is still to come.
            return
        del self._asked[key]
        channel = self._channels.get(key)
        if channel is None or channel.answer.done():
            return
        channel.answer.set_result(True)
        if channel.missed:
            channel.missed = False
            for listener in tuple(channel.listeners.values()):
                tell(listener.interrupted)


def tell(call: Callable[..., None], *text: str) -> None:
    """Call a method of a listener; one who fails must not cost the others what they listen to."""
    try:
        call(*text)
    except Exception:  # as it says
        log.exception("listener_failed")


def _first(errors: BaseExceptionGroup[Any]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
