"""The channel layer as consumers of others use it."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer
from django.conf import settings
from redis.exceptions import RedisError
from structlog.testing import capture_logs

from infrastructure import realtime
from infrastructure.realtime.hub import RealtimeUnavailable
from infrastructure.realtime.layer import RedisHubLayer
from tests.infrastructure.queue.servers import wait_until
from tests.infrastructure.realtime.support import NEWS, Listener, hanging, refusing

HELLO = {"type": "hello", "to": "all"}


@pytest.fixture
def layer() -> RedisHubLayer:
    return _another()


def _another() -> RedisHubLayer:
    """Return a layer as another process has one."""
    config: Any = settings.CHANNEL_LAYERS["default"]["CONFIG"]
    return RedisHubLayer(**config)


def _run[T](work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


async def _received(layer: RedisHubLayer, channel: str, count: int = 1) -> list[dict[str, Any]]:
    async with asyncio.timeout(5):
        return [await layer.receive(channel) for _ in range(count)]


def test_a_message_to_a_group_reaches_every_channel_of_it_in_whichever_process(layer: RedisHubLayer) -> None:
    async def talk() -> None:
        other = _another()
        here, there, outside = await layer.new_channel(), await other.new_channel(), await other.new_channel()
        await layer.group_add("readers", here)
        await layer.group_add("readers", here)
        await other.group_add("readers", there)
        await layer.group_send("readers", HELLO)
        await other.group_send("readers", {"type": "bye"})
        assert await _received(layer, here, 2) == [HELLO, {"type": "bye"}]
        assert await _received(other, there, 2) == [HELLO, {"type": "bye"}]
        await layer.send(outside, {"type": "to one"})
        assert await _received(other, outside) == [{"type": "to one"}]
        await layer.flush()
        await other.flush()

    _run(talk())


def test_whoever_leaves_a_group_receives_nothing_of_it(layer: RedisHubLayer) -> None:
    async def talk() -> None:
        channel = await layer.new_channel()
        await layer.group_add("readers", channel)
        await layer.group_discard("readers", channel)
        await layer.group_discard("writers", channel)
        await layer.group_discard("readers", "specific.somewhere!else")
        await layer.group_send("readers", HELLO)
        await layer.send(channel, {"type": "to one"})
        assert await _received(layer, channel) == [{"type": "to one"}]
        await layer.flush()

    _run(talk())


@pytest.mark.django_db(transaction=True)
def test_a_push_is_a_message_like_any_other(layer: RedisHubLayer) -> None:
    async def talk() -> None:
        channel = await layer.new_channel()
        await layer.group_add("readers", channel)
        await database_sync_to_async(realtime.push)("readers", NEWS)
        (message,) = await _received(layer, channel)
        assert message["type"] == "realtime.frame"
        assert json.loads(message["text"]) == NEWS
        await layer.flush()

    _run(talk())


def test_what_is_no_push_is_not_heard_by_those_who_listen_to_pushes(layer: RedisHubLayer) -> None:
    async def talk() -> None:
        listener = Listener()
        async with layer.listening("readers", listener):
            await layer.group_send("readers", HELLO)
            await layer.group_send("readers", {"type": "realtime.frame", "text": "pushed"})
            assert (await listener.until(frames=1)).texts == ["pushed"]

    _run(talk())


def test_whoever_stops_to_receive_gives_the_channel_up(layer: RedisHubLayer) -> None:
    async def talk() -> None:
        channel = await layer.new_channel()
        await layer.group_add("readers", channel)
        receiving = asyncio.ensure_future(layer.receive(channel))
        await asyncio.sleep(0)
        receiving.cancel()
        await asyncio.wait([receiving])
        with pytest.raises(KeyError):
            await layer.group_add("readers", channel)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    _run(talk())


def test_a_channel_with_a_name_of_its_own_receives(layer: RedisHubLayer) -> None:
    async def talk() -> None:
        receiving = asyncio.ensure_future(_received(layer, "thumbnails"))
        while not receiving.done():
            await layer.send("thumbnails", HELLO)
            await asyncio.sleep(0.01)
        assert await receiving == [HELLO]
        await layer.flush()

    _run(talk())


def test_no_more_than_the_capacity_waits_for_a_consumer(layer: RedisHubLayer) -> None:
    async def talk() -> None:
        channel = await layer.new_channel()
        with capture_logs() as lines:
            for number in range(layer.capacity + 3):
                await layer.send(channel, {"type": "hello", "number": number})
            await asyncio.to_thread(wait_until, lambda: len(lines) == 3)
        assert {line["event"] for line in lines} == {"channel_full"}
        waiting = await _received(layer, channel, layer.capacity)
        assert [message["number"] for message in waiting] == list(range(layer.capacity))
        await layer.flush()

    _run(talk())


@pytest.mark.parametrize("name", ["", "a b", "é", "x" * 100])
def test_names_are_those_of_channels(layer: RedisHubLayer, name: str) -> None:
    async def talk() -> None:
        for call in (
            layer.group_send(name, HELLO),
            layer.group_add(name, "channel"),
            layer.group_discard(name, "channel"),
            layer.send(name, HELLO),
            layer.receive(name),
            layer.listening(name, Listener()).__aenter__(),
        ):
            with pytest.raises(TypeError):
                await call

    _run(talk())


@pytest.mark.parametrize("content", [object(), {1}, float("nan"), b"bytes"])
def test_a_message_that_is_not_json_is_not_sent(layer: RedisHubLayer, content: object) -> None:
    message = {"type": "hello", "content": content}

    for call in (layer.group_send("readers", message), layer.send("channel", message)):
        with pytest.raises((TypeError, ValueError)):
            _run(call)


@pytest.mark.parametrize("away", [refusing, hanging])
def test_a_consumer_is_told_that_redis_is_away(away: Callable[[], AbstractContextManager[None]]) -> None:
    async def talk() -> None:
        layer: Any = get_channel_layer()
        with pytest.raises(RealtimeUnavailable):
            await layer.new_channel()
        with pytest.raises(RedisError):
            await layer.group_send("readers", HELLO)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with away():
        _run(talk())


class ReadersConsumer(AsyncWebsocketConsumer):
    groups = ["readers"]

    async def hello(self, event: dict[str, Any]) -> None:
        await self.send(text_data=event["to"])


def test_a_plain_consumer_of_channels_works_with_it() -> None:
    async def talk() -> None:
        readers: list[Any] = [
            ApplicationCommunicator(ReadersConsumer.as_asgi(), {"type": "websocket"})  # type: ignore[no-untyped-call]  # asgiref's
            for _ in range(3)
        ]
        for reader in readers:
            await reader.send_input({"type": "websocket.connect"})
            assert (await reader.receive_output(5))["type"] == "websocket.accept"
        layer: Any = get_channel_layer()
        await layer.group_send("readers", HELLO)
        assert [(await reader.receive_output(5))["text"] for reader in readers] == ["all"] * 3
        for reader in readers:
            await reader.send_input({"type": "websocket.disconnect", "code": 1000})
            await reader.wait(5)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    _run(talk())
