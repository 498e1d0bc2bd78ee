import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from channels.db import database_sync_to_async
from structlog.testing import capture_logs

from infrastructure import realtime
from infrastructure.realtime import RealtimeUnavailable
from tests.infrastructure.realtime.support import LAYERS, NEWS, Listener, hanging, layer, redis_at, refusing
from tests.infrastructure.support import Server

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=LAYERS, autouse=True)
def _each_layer(request: pytest.FixtureRequest) -> Iterator[None]:
    with layer(request.param):
        yield


async def _push(*frames: dict[str, str]) -> None:
    await database_sync_to_async(realtime.push)("readers", *frames)


def test_whoever_listens_hears_from_the_beginning_of_the_block_to_its_end() -> None:
    async def listen() -> None:
        first, second = Listener(), Listener()
        async with realtime.listening("readers", first):
            async with realtime.listening("readers", second):
                await _push(NEWS, {"type": "more"})
                await first.until(frames=2)
                await second.until(frames=2)
            await _push({"type": "late"})
            await first.until(frames=3)
        assert first.frames == [NEWS, {"type": "more"}, {"type": "late"}]
        assert second.frames == [NEWS, {"type": "more"}]
        assert first.interruptions == second.interruptions == 0

    asyncio.run(listen())


def test_a_listener_who_fails_hears_on() -> None:
    class Failing(Listener):
        def heard(self, text: str) -> None:
            super().heard(text)
            raise ZeroDivisionError

    async def listen() -> None:
        listener = Failing()
        async with realtime.listening("readers", listener):
            await _push(NEWS)
            await _push(NEWS)
            await listener.until(frames=2)

    with capture_logs() as lines:
        asyncio.run(listen())
    assert [line["event"] for line in lines] == ["listener_failed"] * 2


@pytest.mark.parametrize("away", [refusing, hanging])
def test_nothing_can_be_heard_while_redis_is_away(away: Callable[[], AbstractContextManager[None]]) -> None:
    async def listen() -> None:
        async with realtime.listening("readers", Listener()):
            pass

    with away(), pytest.raises(RealtimeUnavailable):
        asyncio.run(listen())


@pytest.mark.slow
def test_whoever_listens_hears_again_after_redis_was_restarted(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.start()

    async def listen() -> None:
        listener = Listener()
        async with realtime.listening("readers", listener):
            await _push({"type": "before"})
            await listener.until(frames=1)
            server.kill()
            server.start()
            while len(listener.texts) < 2:
                await _push({"type": "after"})
                await asyncio.sleep(0.2)
        assert listener.frames[:2] == [{"type": "before"}, {"type": "after"}]

    with redis_at(server.port):
        asyncio.run(listen())
    server.kill()


@pytest.mark.slow
def test_a_push_right_after_a_restart_is_not_lost_to_an_old_connection(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.start()

    async def listen() -> None:
        listener = Listener()
        await _push(NEWS)
        server.kill()
        server.start()
        async with realtime.listening("readers", listener):
            await _push(NEWS)
            await listener.until(frames=1)

    with redis_at(server.port), layer("hub"):
        asyncio.run(listen())
    server.kill()
