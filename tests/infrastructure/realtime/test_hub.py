"""The hub on real servers that are killed, frozen and cut off."""

import asyncio
import random
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from itertools import batched
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import structlog
from redis import Redis
from redis.asyncio import ConnectionPool
from structlog.testing import capture_logs

from infrastructure.realtime.hub import PATIENCE, Hub, RealtimeUnavailable
from tests.infrastructure.queue.servers import wait_until
from tests.infrastructure.realtime.support import Listener
from tests.infrastructure.support import Server, unused_port

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Redis of these tests' own, so that all its connections are theirs."""
    server = Server(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Server]:
    """A Redis of one test's own, which it may kill."""
    server = Server(tmp_path)
    server.start()
    yield server
    server.process.send_signal(signal.SIGCONT)
    server.kill()


@pytest.fixture
def redis(server: Server) -> Iterator[Redis]:
    with Redis(port=server.port) as redis:
        yield redis


class HurriedHub(Hub):
    """Soon believes that nobody is there."""

    seconds_of_silence = 0.5


def _hub(port: int, kind: type[Hub] = Hub) -> Hub:
    options: dict[str, Any] = {"socket_timeout": 0.5, "socket_connect_timeout": 0.5, "protocol": 2}
    return kind(ConnectionPool.from_url(f"redis://127.0.0.1:{port}/0", **options).make_connection)


@asynccontextmanager
async def _listening(hub: Hub, *names: str, listener: Listener | None = None) -> AsyncIterator[Listener]:
    listener = listener or Listener()
    tokens = [(name, await hub.add(name, listener)) for name in names]
    try:
        yield listener
    finally:
        for name, token in tokens:
            await hub.remove(name, token)


def _run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


async def _settled(condition: Callable[[], bool]) -> None:
    await asyncio.to_thread(wait_until, condition, seconds=5)


def _subscribers(redis: Redis) -> list[int]:
    """Return how many channels each connection listens to."""
    return [int(one["sub"]) for one in redis.client_list(_type="pubsub")]


def test_many_first_listeners_at_once_share_one_connection_and_miss_nothing(server: Server, redis: Redis) -> None:
    async def listen() -> None:
        hub = _hub(server.port)

        async def one(number: int) -> None:
            group = f"group {number % 10}"
            async with _listening(hub, group) as listener:
                await asyncio.to_thread(redis.publish, group, f"from {number}")
                await listener.until(text=f"from {number}")
                connections.append(len(_subscribers(redis)))

        await asyncio.gather(*(one(number) for number in range(100)))

    connections: list[int] = []
    _run(listen())
    assert connections == [1] * 100
    assert _subscribers(redis) == []


def test_all_who_listen_to_a_channel_share_one_subscription(server: Server, redis: Redis) -> None:
    async def listen() -> None:
        hub = _hub(server.port)
        async with AsyncExitStack() as stack:
            listeners = [await stack.enter_async_context(_listening(hub, "news")) for _ in range(50)]
            assert redis.pubsub_numsub("news") == [(b"news", 1)]
            assert redis.publish("news", "a\nb") == 1
            for listener in listeners:
                assert (await listener.until(frames=2)).texts == ["a", "b"]

    _run(listen())


def test_only_the_last_who_leaves_ends_the_subscription(server: Server, redis: Redis) -> None:
    async def listen() -> None:
        hub = _hub(server.port)
        async with _listening(hub, "weather") as stays:
            async with _listening(hub, "news") as first:
                async with _listening(hub, "news") as second:
                    redis.publish("news", "both")
                    await first.until(frames=1)
                    await second.until(frames=1)
                redis.publish("news", "one")
                await first.until(frames=2)
                assert second.texts == ["both"]
            await _settled(lambda: _subscribers(redis) == [1])
            redis.publish("weather", "rain")
            await stays.until(frames=1)
        assert _subscribers(redis) == []
        assert hub.is_idle

    _run(listen())


def test_a_connection_is_opened_again_for_whoever_comes_after_the_last(server: Server, redis: Redis) -> None:
    async def listen() -> None:
        hub = _hub(server.port)
        for number in range(3):
            async with _listening(hub, "news") as listener:
                redis.publish("news", str(number))
                assert (await listener.until(frames=1)).texts == [str(number)]
            assert _subscribers(redis) == []

    _run(listen())


def test_whoever_listens_in_the_moment_in_which_the_last_leaves_hears(server: Server, redis: Redis) -> None:
    async def listen() -> None:
        hub = _hub(server.port)
        async with _listening(hub, "weather"):
            listener = Listener()
            token = await hub.add("news", listener)
            for _ in range(20):
                leaving = asyncio.ensure_future(hub.remove("news", token))
                coming = asyncio.ensure_future(hub.add("news", listener))
                await leaving
                token = await coming
                listener.texts.clear()
                redis.publish("news", "here")
                assert (await listener.until(frames=1)).texts == ["here"]
            await hub.remove("news", token)

    _run(listen())


def test_coming_and_going_without_order_loses_nothing_to_whoever_is_there(server: Server, redis: Redis) -> None:
    chance = random.Random(7)

    async def visit(hub: Hub, number: int) -> None:
        for turn in range(15):
            group = f"group {chance.randrange(3)}"
            async with _listening(hub, group) as listener:
                await asyncio.sleep(chance.choice((0, 0, 0.001)))
                text = f"{number} {turn}"
                await asyncio.to_thread(redis.publish, group, text)
                await listener.until(text=text)
                assert listener.interruptions == 0

    async def listen() -> None:
        hub = _hub(server.port)
        await asyncio.gather(*(visit(hub, number) for number in range(20)))
        assert hub.is_idle

    _run(listen())
    assert _subscribers(redis) == []


def test_each_event_loop_has_a_connection_of_its_own(server: Server, redis: Redis) -> None:
    heard = []

    async def listen() -> None:
        async with _listening(_hub(server.port), "news") as listener:
            heard.append((await listener.until(frames=1)).texts)

    threads = [Thread(target=_run, args=(listen(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    while redis.pubsub_numsub("news") != [(b"news", 3)]:
        pass
    redis.publish("news", "all")
    for thread in threads:
        thread.join()

    assert heard == [["all"]] * 3


def test_a_listener_who_fails_costs_the_others_nothing(server: Server, redis: Redis) -> None:
    class Failing(Listener):
        def heard(self, text: str) -> None:
            raise ZeroDivisionError

    async def listen() -> None:
        hub = _hub(server.port)
        async with _listening(hub, "news", listener=Failing()), _listening(hub, "news") as listener:
            redis.publish("news", "a")
            redis.publish("news", "b")
            assert (await listener.until(frames=2)).texts == ["a", "b"]

    with capture_logs() as lines:
        _run(listen())

    assert [line["event"] for line in lines] == ["listener_failed", "listener_failed"]


def test_what_is_no_text_is_heard_as_far_as_it_is_one(server: Server, redis: Redis) -> None:
    async def listen() -> None:
        async with _listening(_hub(server.port), "news") as listener:
            redis.publish("news", b"\xffa")
            assert (await listener.until(frames=1)).texts == ["�a"]

    _run(listen())


def test_much_that_has_arrived_leaves_other_work_its_turns(server: Server, redis: Redis) -> None:
    class Busy(Listener):
        def heard(self, text: str) -> None:
            end = loop.time() + 0.001
            while loop.time() < end:
                pass
            super().heard(text)

    async def listen() -> None:
        async with _listening(_hub(server.port), "news", listener=Busy()) as listener:
            with redis.pipeline(transaction=False) as pipeline:
                for number in range(300):
                    pipeline.publish("news", str(number))
                pipeline.execute()
            longest, last = 0.0, loop.time()
            while len(listener.texts) < 300:
                await asyncio.sleep(0)
                longest, last = max(longest, loop.time() - last), loop.time()
            assert listener.texts == [str(number) for number in range(300)]
            # All of them take 0.3 s.
            assert longest < 0.1

    loop = asyncio.new_event_loop()
    loop.run_until_complete(listen())
    loop.close()


@contextmanager
def _refusing() -> Iterator[int]:
    yield unused_port()


@contextmanager
def _hanging() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("away", [_refusing, _hanging])
def test_nobody_can_begin_to_listen_while_redis_is_away(away: Callable[[], Any]) -> None:
    async def listen(port: int) -> None:
        hub, loop = _hub(port), asyncio.get_running_loop()
        started = loop.time()
        refused = await asyncio.gather(*(hub.add("news", Listener()) for _ in range(20)), return_exceptions=True)
        assert {type(error) for error in refused} == {RealtimeUnavailable}
        assert loop.time() - started < PATIENCE + 0.5
        assert hub.is_idle
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with away() as port:
        _run(listen(port))


def test_whoever_gives_up_while_he_waits_disturbs_nobody(mortal: Server) -> None:
    async def listen() -> None:
        hub = _hub(mortal.port)
        with Redis(port=mortal.port) as redis:
            async with _listening(hub, "weather") as stays:
                mortal.process.send_signal(signal.SIGSTOP)
                waiting = asyncio.ensure_future(hub.add("news", Listener()))
                await asyncio.sleep(0.1)
                waiting.cancel()
                next_one = asyncio.ensure_future(hub.add("news", Listener()))
                with pytest.raises(asyncio.CancelledError):
                    await waiting
                await asyncio.sleep(0.1)
                # Redis was asked, and has not answered yet.
                assert not next_one.done()
                mortal.process.send_signal(signal.SIGCONT)
                await hub.remove("news", await next_one)
                await _settled(lambda: redis.pubsub_numsub("news") == [(b"news", 0)])
                redis.publish("weather", "rain")
                assert (await stays.until(frames=1)).texts == ["rain"]
                assert stays.interruptions == 0

    _run(listen())


def test_after_a_restart_all_hear_again_and_are_told_that_they_may_have_missed_something(mortal: Server) -> None:
    async def listen() -> None:
        hub = _hub(mortal.port)
        async with AsyncExitStack() as stack:
            listeners = [await stack.enter_async_context(_listening(hub, f"room {n}", "all")) for n in range(20)]
            mortal.kill()
            with pytest.raises(RealtimeUnavailable):
                await hub.add("new room", Listener())
            mortal.start()
            for listener in listeners:
                # Once for each of the two channels.
                await listener.until(interruptions=2)
            with Redis(port=mortal.port) as redis:
                redis.publish("all", "to all")
                for number, listener in enumerate(listeners):
                    redis.publish(f"room {number}", str(number))
                    assert sorted((await listener.until(frames=2)).texts) == sorted(["to all", str(number)])
                    assert listener.interruptions == 2
                assert _subscribers(redis) == [21]
        assert hub.is_idle

    with capture_logs() as lines:
        _run(listen())

    assert {line["event"] for line in lines} == {"realtime_lost"}


def test_very_many_channels_are_taken_up_again(mortal: Server) -> None:
    names = [f"room {number}" for number in range(2_500)]

    async def listen() -> None:
        hub, listener = _hub(mortal.port), Listener()
        for some in batched(names, 500):
            await asyncio.gather(*(hub.add(name, listener) for name in some))
        with Redis(port=mortal.port) as redis:
            redis.client_kill_filter(_type="pubsub")
            await listener.until(interruptions=2_500)
            assert _subscribers(redis) == [2_500]

    _run(listen())


def test_a_frozen_redis_is_noticed_and_left_for_one_that_answers(mortal: Server) -> None:
    async def listen() -> None:
        async with _listening(_hub(mortal.port, HurriedHub), "news") as listener:
            mortal.process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(2 * HurriedHub.seconds_of_silence + 1)
            mortal.process.send_signal(signal.SIGCONT)
            await listener.until(interruptions=1)
            with Redis(port=mortal.port) as redis:
                redis.publish("news", "again")
            assert (await listener.until(frames=1)).texts == ["again"]

    _run(listen())


def test_a_short_pause_of_redis_is_no_interruption(mortal: Server) -> None:
    async def listen() -> None:
        async with _listening(_hub(mortal.port), "news") as listener:
            mortal.process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(1)
            mortal.process.send_signal(signal.SIGCONT)
            with Redis(port=mortal.port) as redis:
                redis.publish("news", "still")
            await listener.until(frames=1)
            assert listener.interruptions == 0

    _run(listen())


def test_a_connection_that_is_cut_without_a_word_is_noticed(server: Server, redis: Redis) -> None:
    async def listen() -> None:
        streams = []

        async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            back, forth = await asyncio.open_connection("127.0.0.1", server.port)
            streams.extend([writer, forth])
            await asyncio.gather(_copy(reader, forth), _copy(back, writer))

        async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while (data := await source.read(65_536)) and not is_cut:
                target.write(data)
            await asyncio.sleep(0 if not is_cut else 60)

        is_cut = False
        proxy = await asyncio.start_server(pass_on, "127.0.0.1", 0)
        async with _listening(_hub(proxy.sockets[0].getsockname()[1], HurriedHub), "news") as listener:
            is_cut = True
            # Nothing comes through any more, and nobody says so.
            redis.publish("news", "lost")
            await asyncio.sleep(2 * HurriedHub.seconds_of_silence + 0.5)
            is_cut = False
            await listener.until(interruptions=1)
            redis.publish("news", "found")
            assert (await listener.until(frames=1)).texts == ["found"]
        proxy.close()
        for stream in streams:
            stream.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    _run(listen())


def test_a_fault_that_nobody_foresaw_ends_no_listening(server: Server, redis: Redis) -> None:
    pool: Any = ConnectionPool.from_url(f"redis://127.0.0.1:{server.port}/0", protocol=2)
    made = []

    def make() -> Any:
        made.append(1)
        if len(made) == 2:
            raise ZeroDivisionError
        return pool.make_connection()

    async def listen() -> None:
        async with _listening(Hub(make), "news") as listener:
            redis.client_kill_filter(_type="pubsub")
            await listener.until(interruptions=1)
            redis.publish("news", "again")
            assert (await listener.until(frames=1)).texts == ["again"]

    with capture_logs() as lines:
        _run(listen())

    assert [line["event"] for line in lines] == ["realtime_lost", "realtime_failed"]


def test_the_work_for_all_happens_in_the_context_of_nobody(server: Server, redis: Redis) -> None:
    seen = []

    class Curious(Listener):
        def heard(self, text: str) -> None:
            super().heard(text)
            seen.append(structlog.contextvars.get_contextvars())

    async def listen() -> None:
        with structlog.contextvars.bound_contextvars(request_id="of the first"):
            async with _listening(_hub(server.port), "news", listener=Curious()) as listener:
                redis.publish("news", "a")
                await listener.until(frames=1)

    _run(listen())
    assert seen == [{}]
