"""The project's channel layer: groups over Redis's publish and subscribe, with one subscription for all who listen."""

import asyncio
import json
import secrets
from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from channels.layers import BaseChannelLayer
from redis import BlockingConnectionPool, Redis
from redis.asyncio import ConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from infrastructure.realtime.hub import Hub, Listener

type Message = dict[str, Any]

# The message of a channel layer that carries the text of a frame.
FRAME: Final = "realtime.frame"
# Connections for publishing that a process keeps at most; whoever finds none waits for his turn.
_PUBLISHERS: Final = 10
_PATIENCE: Final = 0.5
# Seconds that a hub waits for Redis, besides an event loop that may have much else to do.
_HUBS_PATIENCE: Final = 2.0

log = structlog.get_logger("layerline.realtime")


@dataclass(frozen=True, slots=True)
class _Inbox:
    """What waits for a consumer of others, and what ends each subscription for it."""

    messages: asyncio.Queue[Message]
    tokens: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Ear:
    """Puts what a channel of Redis carries into an inbox."""

    messages: asyncio.Queue[Message]
    read: Callable[[str], Message]

    def heard(self, text: str) -> None:
        try:
            self.messages.put_nowait(self.read(text))
        except asyncio.QueueFull:
            log.warning("channel_full")

    def interrupted(self) -> None:
        """Channels has no word for it."""


def _frame(text: str) -> Message:
    return {"type": FRAME, "text": text}


class RedisHubLayer(BaseChannelLayer):
    """A channel layer for many sockets in few groups.

    Channels' own way of listening (`new_channel`, `group_add`, `receive`) works for consumers of others. Those of this
    project use `listening`, which spares each of them a queue and a task.

    Args:
        hosts: One entry, as for channels_redis: `address` and options of redis-py's connections.
        prefix: What each of Redis's channels begins with.
        capacity: Messages that wait at most for a consumer of others; what comes then is lost to it.
    """

    extensions = ("groups", "flush")

    def __init__(self, hosts: Sequence[Mapping[str, Any]], prefix: str = "asgi:", capacity: int = 100) -> None:
        super().__init__(capacity=capacity)
        (host,) = hosts
        options = dict(host)
        address = options.pop("address")
        self._prefix = prefix
        # The newer protocol's push messages are slower to read in redis-py, and bring nothing here.
        patience = {"socket_connect_timeout": _HUBS_PATIENCE, "socket_timeout": _HUBS_PATIENCE}
        self._connections = ConnectionPool.from_url(address, **{"protocol": 2, **options, **patience})
        # A connection that Redis has closed since is replaced; a Redis that does not answer is not asked twice.
        retry = Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
        publishers = BlockingConnectionPool.from_url(
            address, **{"max_connections": _PUBLISHERS, "timeout": _PATIENCE, "retry": retry, **options}
        )
        self._publisher = Redis(connection_pool=publishers)
        self._hubs: dict[AbstractEventLoop, Hub] = {}
        self._inboxes: dict[str, _Inbox] = {}

    @asynccontextmanager
    async def listening(self, group: str, listener: Listener) -> AsyncIterator[None]:
        """Tell a listener each frame's text until the end of the block; see `infrastructure.realtime.listening`."""
        self.require_valid_group_name(group)
        name = self._frames_of(group)
        token = await self._add(name, listener)
        try:
            yield
        finally:
            await self._remove(name, token)

    async def group_send(self, group: str, message: Message) -> None:
        """Publish a message, which is what JSON holds; without an event loop in this thread, before it first yields.

        Raises:
            RedisError: If Redis is away.
            TypeError, ValueError: If the message is not JSON.
        """
        self.require_valid_group_name(group)
        if message.get("type") == FRAME:
            await self._publish(self._frames_of(group), message["text"])
        else:
            await self._publish(self._messages_of(group), json.dumps(message, allow_nan=False))

    def publish_frames(self, texts: Mapping[str, str]) -> None:
        """Publish the text of frames to each of several groups, in one round trip.

        Raises:
            RedisError: If Redis is away.
        """
        with self._publisher.pipeline(transaction=False) as pipeline:
            for group, text in texts.items():
                self.require_valid_group_name(group)
                pipeline.publish(self._frames_of(group), text)
            pipeline.execute()

    async def send(self, channel: str, message: Message) -> None:
        """Publish a message to whoever receives from the channel, in whichever process."""
        self.require_valid_channel_name(channel)
        await self._publish(self._channel(channel), json.dumps(message, allow_nan=False))

    async def new_channel(self, prefix: str = "specific") -> str:
        """Return the name of a new channel that this process receives from."""
        channel = f"{prefix}.{secrets.token_hex(8)}!{secrets.token_hex(8)}"
        await self._open(channel)
        return channel

    async def receive(self, channel: str) -> Message:
        """Wait for the next message of a channel; whoever stops to wait gives the channel up."""
        inbox = self._inboxes.get(channel) or await self._open(channel)
        try:
            return await inbox.messages.get()
        except BaseException:
            await self._close(channel)
            raise

    async def group_add(self, group: str, channel: str) -> None:
        """Let a channel of this process receive what is sent to the group.

        Raises:
            KeyError: If the channel is none of `new_channel`.
            RealtimeUnavailable: If Redis is away.
        """
        self.require_valid_group_name(group)
        inbox = self._inboxes[channel]
        await self._attach(inbox, self._frames_of(group), _frame)
        await self._attach(inbox, self._messages_of(group), json.loads)

    async def group_discard(self, group: str, channel: str) -> None:
        """End what `group_add` began."""
        self.require_valid_group_name(group)
        inbox = self._inboxes.get(channel)
        if inbox:
            await self._detach(inbox, self._frames_of(group))
            await self._detach(inbox, self._messages_of(group))

    async def flush(self) -> None:
        """Give up every channel."""
        for channel in tuple(self._inboxes):
            await self._close(channel)

    async def _publish(self, name: str, text: str) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self._publisher.publish(name, text)
        else:
            await asyncio.to_thread(self._publisher.publish, name, text)

    def _hub(self) -> Hub:
        """Return the running event loop's own, for a connection belongs to a loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._hubs:
            self._hubs[loop] = Hub(self._connections.make_connection)
        return self._hubs[loop]

    async def _add(self, name: str, listener: Listener) -> object:
        try:
            return await self._hub().add(name, listener)
        finally:
            self._forget_idle()

    async def _remove(self, name: str, token: object) -> None:
        try:
            await self._hub().remove(name, token)
        finally:
            self._forget_idle()

    def _forget_idle(self) -> None:
        loop = asyncio.get_running_loop()
        if self._hub().is_idle:
            del self._hubs[loop]

    async def _open(self, channel: str) -> _Inbox:
        self.require_valid_channel_name(channel)
        inbox = _Inbox(asyncio.Queue(self.get_capacity(channel)))
        await self._attach(inbox, self._channel(channel), json.loads)
        self._inboxes[channel] = inbox
        return inbox

    async def _close(self, channel: str) -> None:
        inbox = self._inboxes.pop(channel)
        for name in tuple(inbox.tokens):
            await self._detach(inbox, name)

    async def _attach(self, inbox: _Inbox, name: str, read: Callable[[str], Message]) -> None:
        if name not in inbox.tokens:
            inbox.tokens[name] = await self._add(name, _Ear(inbox.messages, read))

    async def _detach(self, inbox: _Inbox, name: str) -> None:
        token = inbox.tokens.pop(name, None)
        if token:
            await self._remove(name, token)

    def _frames_of(self, group: str) -> str:
        return f"{self._prefix}frames.{group}"

    def _messages_of(self, group: str) -> str:
        return f"{self._prefix}messages.{group}"

    def _channel(self, channel: str) -> str:
        return f"{self._prefix}channel.{channel}"
