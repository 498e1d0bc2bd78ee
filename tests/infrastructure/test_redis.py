import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from pytest_django import Settings
from redis.exceptions import BusyLoadingError, OutOfMemoryError, ReadOnlyError, RedisError, ResponseError

from infrastructure.redis import PlainPool, PlainRedis, RedisUnavailable, Script, client, key, unavailable_as
from tests.infrastructure.support import Server, at_once, redis_at, redis_hanging, redis_refusing


def test_a_key_stands_under_the_prefix_of_the_project(settings: Settings) -> None:
    settings.REDIS_KEY_PREFIX = "shop"

    assert key("limit", "login", "7") == "shop:limit:login:7"


@pytest.mark.parametrize("away", [redis_refusing, redis_hanging])
def test_redis_away_is_told_within_two_seconds(away: Callable[[], AbstractContextManager[None]]) -> None:
    with away():
        began = time.monotonic()
        with pytest.raises(RedisUnavailable, match="Redis is not available"), unavailable_as():
            client().get("anything")
        assert time.monotonic() - began < 2


def test_a_hundred_callers_of_a_frozen_redis_are_told_within_two_seconds() -> None:
    def ask(_: int) -> float:
        began = time.monotonic()
        with pytest.raises(RedisUnavailable), unavailable_as():
            client().get("anything")
        return time.monotonic() - began

    with redis_hanging():
        assert max(at_once(100, ask)) < 2


@pytest.mark.parametrize(
    "error",
    [
        BusyLoadingError("Redis is loading the dataset in memory"),
        ReadOnlyError("You can't write against a read only replica."),
        OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
        ResponseError("MISCONF Redis is configured to save RDB snapshots, but it is unable to persist to disk."),
        ResponseError("MASTERDOWN Link with MASTER is down"),
        ResponseError("NOREPLICAS Not enough good replicas to write."),
    ],
)
def test_a_redis_that_cannot_serve_counts_as_away(error: RedisError) -> None:
    with pytest.raises(RedisUnavailable) as raised, unavailable_as():
        raise error
    assert raised.value.__cause__ is error


def test_a_programming_error_is_not_mistaken_for_an_absence() -> None:
    name = key("test", "list")
    client().rpush(name, "one")

    with pytest.raises(ResponseError, match="WRONGTYPE"), unavailable_as():
        client().get(name)

    client().delete(name)


def test_the_kind_of_absence_can_be_named() -> None:
    class CounterUnavailable(RedisUnavailable):
        pass

    with redis_refusing(), pytest.raises(CounterUnavailable), unavailable_as(CounterUnavailable):
        client().ping()


def test_two_hundred_callers_share_the_pool_without_an_error() -> None:
    assert at_once(200, lambda _: client().ping()) == [True] * 200


def _pool_of_one(*, timeout: float) -> PlainPool:
    options = client().connection_pool.connection_kwargs
    return PlainPool(max_connections=1, timeout=timeout, **options)  # type: ignore[no-untyped-call]  # redis-py's


def test_who_finds_all_connections_in_use_is_told_so_when_his_time_is_over() -> None:
    pool = _pool_of_one(timeout=0.05)
    lent = pool.get_connection()

    with pytest.raises(RedisUnavailable), unavailable_as():
        PlainRedis(connection_pool=pool).ping()
    pool.release(lent)
    assert PlainRedis(connection_pool=pool).ping()
    pool.disconnect()


def test_a_connection_that_was_left_with_an_answer_unread_is_made_anew() -> None:
    pool = _pool_of_one(timeout=1)
    lent = pool.get_connection()
    lent.send_command("PING")
    time.sleep(0.05)
    pool.release(lent)

    assert PlainRedis(connection_pool=pool).echo("mine") == b"mine"
    pool.disconnect()


def test_a_connection_of_another_process_is_not_lent() -> None:
    pool = _pool_of_one(timeout=1)
    lent = pool.get_connection()
    lent.pid += 1
    pool.release(lent)

    assert pool.get_connection() is not lent
    pool.disconnect()


def test_a_script_runs_on_a_server_that_has_never_seen_it() -> None:
    script = Script("return {KEYS[1], ARGV[1]}")
    client().script_flush()

    assert script(["name"], ["first"]) == [b"name", b"first"]
    assert script(["name"], ["second"]) == [b"name", b"second"]
    assert client().script_exists(script.digest) == [True]


@pytest.mark.slow
def test_a_client_and_its_scripts_survive_a_restart_of_the_server(tmp_path: Path) -> None:
    script = Script("return redis.call('INCR', KEYS[1])")
    server = Server(tmp_path)
    server.start()
    try:
        with redis_at(server.port):
            assert at_once(5, lambda _: script(["counter"], [])) != []
            server.kill()
            with pytest.raises(RedisUnavailable), unavailable_as():
                script(["counter"], [])
            server.start()
            assert [script(["counter"], []) for _ in range(10)] == list(range(1, 11))
    finally:
        server.kill()
