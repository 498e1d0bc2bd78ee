import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings as django_settings
from uuid6 import uuid7

from infrastructure import cache
from infrastructure.cache import cache_result, invalidate_cache
from infrastructure.redis import RedisUnavailable, client, key
from tests.infrastructure.support import Server, at_once, in_processes, redis_at, redis_hanging, redis_refusing

PROCESSES = 3
calls: Counter[Any] = Counter()
counting = Lock()


def count_call(what: Any = None) -> int:
    with counting:
        calls[what] += 1
        return calls[what]


@pytest.fixture(autouse=True)
def _nothing_cached() -> Iterator[None]:
    calls.clear()
    yield
    if entries := client().keys(key("cache", "*")):
        client().delete(*entries)


@cache_result(ttl=60, key_prefix="test")
def described(value: Any, *rest: Any, suffix: str = "!", **options: Any) -> str:
    count_call()
    return f"{value!r}{rest!r}{suffix}{options!r}"


@cache_result(ttl=60, key_prefix="test")
def slow() -> int:
    time.sleep(0.2)
    return count_call()


@cache_result(ttl=60, key_prefix="test")
def slow_in_some_process() -> int:
    time.sleep(0.5)
    return int(client().incr(key("cache", "loads")))


def ask_from_another_process(prefix: str) -> int:
    django_settings.REDIS_KEY_PREFIX = prefix
    # They start at different times; those that have, wait here for the last.
    client().incr(key("cache", "ready"))
    while int(client().get(key("cache", "ready")) or 0) < PROCESSES:
        time.sleep(0.005)
    return slow_in_some_process()


class Catalogue:
    @staticmethod
    @cache_result(ttl=60, key_prefix="test")
    def by_id(row_id: int, *, deep: bool = False) -> list[int]:
        return [row_id, count_call()]


class Colour(StrEnum):
    RED = "red"


class Size(Enum):
    RED = "red"


def test_a_result_is_computed_once_per_arguments() -> None:
    assert Catalogue.by_id(1) == [1, 1]
    assert Catalogue.by_id(1) == [1, 1]
    assert Catalogue.by_id(2) == [2, 2]


def test_one_call_has_one_entry_however_it_is_spelled() -> None:
    assert Catalogue.by_id(1) == Catalogue.by_id(row_id=1) == Catalogue.by_id(1, deep=False) == [1, 1]
    assert Catalogue.by_id(1, deep=True) == [1, 2]


def test_keyword_arguments_are_arguments_too() -> None:
    assert Catalogue.by_id(row_id=1) == [1, 1]
    assert Catalogue.by_id(row_id=2) == [2, 2]


UNLIKE = [
    1, "1", True, 1.0, None, "None", Decimal(1), b"1", Colour.RED, Size.RED, "red", (1,), [1], ["1"], {1}, {1: 1},
    {"1": 1}, (1, 2), ((1,), 2), "1,2", date(2030, 1, 1), datetime(2030, 1, 1, tzinfo=UTC), "", (), [], {}, False, 0,
    UUID(int=1), str(UUID(int=1)), "int(1)", "tuple(int(1))",
]  # fmt: skip


def test_arguments_that_differ_in_value_or_type_have_different_entries() -> None:
    keys = {described.cache_key(value) for value in UNLIKE}

    assert len(keys) == len(UNLIKE)


def test_where_an_argument_stands_makes_a_difference() -> None:
    spellings = [
        described.cache_key("a"),
        described.cache_key("a", "b"),
        described.cache_key(("a", "b")),
        described.cache_key("a", suffix="b"),
        described.cache_key("a", b="b"),
        described.cache_key("a", b={"b": "b"}),
        described.cache_key("a", "b", "c"),
        described.cache_key("a", ("b", "c")),
    ]

    assert len(set(spellings)) == len(spellings)


def test_the_order_of_names_and_members_makes_none() -> None:
    assert described.cache_key(1, a=1, b=2) == described.cache_key(1, b=2, a=1)
    assert described.cache_key({"a": 1, "b": 2}) == described.cache_key({"b": 2, "a": 1})
    assert described.cache_key({1, 2, 3}) == described.cache_key(frozenset({3, 2, 1}))


def test_an_id_is_the_same_whether_it_was_just_made_or_read_back() -> None:
    made = uuid7()

    assert described.cache_key(made) == described.cache_key(UUID(str(made)))


@pytest.mark.parametrize("value", [object(), object, print, [object()], {"a": object()}])
def test_an_argument_without_a_lasting_identity_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="cannot be part of a cache key"):
        described(value)
    assert not calls


def test_two_functions_do_not_share_entries() -> None:
    @cache_result(ttl=60, key_prefix="test")
    def other(value: Any, *rest: Any, suffix: str = "!", **options: Any) -> str:
        return ""

    assert other.cache_key(1) != described.cache_key(1)


@pytest.mark.parametrize("value", [None, False, 0, "", [], {}, {"a": [1, 2.5, None, True, "ü 🎈"]}, 2**70, "\ud800"])
def test_whatever_json_holds_is_cached_none_included(value: Any) -> None:
    @cache_result(ttl=60, key_prefix="test")
    def given() -> Any:
        count_call()
        return value

    assert [given(), given(), given()] == [value] * 3
    assert calls[None] == 1


@dataclass
class Row:
    id: int


@pytest.mark.parametrize(
    "value", [Row(1), {1, 2}, b"x", datetime(2030, 1, 1, tzinfo=UTC), UUID(int=1), float("nan"), (1,), {1: "a"}, [(1,)]]
)
@pytest.mark.parametrize("redis_is_away", [False, True])
def test_what_json_does_not_hold_is_refused_and_not_kept(value: Any, redis_is_away: bool) -> None:  # noqa: FBT001  # a case
    @cache_result(ttl=60, key_prefix="test")
    def given() -> Any:
        return value

    def call() -> None:
        with pytest.raises(TypeError, match="JSON"):
            given()

    if redis_is_away:
        with redis_refusing():
            call()
    else:
        call()
    assert client().keys(key("cache", "*")) == []


def test_a_caller_cannot_change_what_the_next_one_gets() -> None:
    Catalogue.by_id(1).append(99)
    Catalogue.by_id(1).append(99)

    assert Catalogue.by_id(1) == [1, 1]


def test_an_entry_lives_for_its_time() -> None:
    Catalogue.by_id(1)

    assert 59_000 < client().pttl(Catalogue.by_id.cache_key(1)) <= 60_000


def test_redis_holds_no_argument_in_clear_text() -> None:
    described("canary@example.com", suffix="")

    assert "canary" not in str(client().keys(key("cache", "*")))


def test_an_invalidated_result_is_computed_again() -> None:
    Catalogue.by_id(1)
    Catalogue.by_id(2)

    invalidate_cache(Catalogue.by_id, row_id=1, deep=False)

    assert Catalogue.by_id(1) == [1, 3]
    assert Catalogue.by_id(2) == [2, 2]


def test_only_a_cached_function_can_be_invalidated() -> None:
    with pytest.raises(TypeError, match="not decorated"):
        invalidate_cache(count_call)


def test_a_result_loaded_before_an_invalidation_does_not_come_after_it() -> None:
    reading, written = Event(), Event()

    @cache_result(ttl=60, key_prefix="test")
    def row() -> str:
        if count_call() == 1:
            reading.set()
            assert written.wait(10)
            return "old"
        return "new"

    results: list[str] = []
    reader = Thread(target=lambda: results.append(row()))
    reader.start()
    assert reading.wait(10)
    invalidate_cache(row)
    written.set()
    reader.join(10)

    assert results == ["old"]
    assert row() == "new"


def test_two_hundred_simultaneous_misses_load_once() -> None:
    assert at_once(200, lambda _: slow()) == [1] * 200
    assert calls[None] == 1


@pytest.mark.slow
def test_simultaneous_misses_of_several_processes_load_once() -> None:
    assert in_processes(PROCESSES, ask_from_another_process) == [1] * PROCESSES


def test_a_load_that_fails_leaves_the_next_to_try() -> None:
    @cache_result(ttl=60, key_prefix="test")
    def failing_first() -> str:
        if count_call() == 1:
            raise LookupError("the database is away")
        return "loaded"

    with pytest.raises(LookupError):
        failing_first()
    began = time.monotonic()
    assert failing_first() == "loaded"
    assert time.monotonic() - began < 1


def test_nobody_waits_longer_than_the_bound_for_a_loader_that_died(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "WAIT_SECONDS", 0.3)
    entry = slow.cache_key()
    client().set(cache._lease(entry), "of a process that was killed", px=60_000)

    began = time.monotonic()
    assert slow() == 1
    assert time.monotonic() - began < 1
    assert client().get(entry) is None


def test_a_lease_ends_by_itself() -> None:
    @cache_result(ttl=60, key_prefix="test")
    def lease_time() -> int:
        return int(client().pttl(cache._lease(lease_time.cache_key())))

    assert 0 < lease_time() <= cache.LOAD_SECONDS * 1_000
    assert client().exists(cache._lease(lease_time.cache_key())) == 0


@pytest.mark.parametrize("away", [redis_refusing, redis_hanging])
def test_with_redis_away_the_function_answers_within_two_seconds(
    away: Callable[[], AbstractContextManager[None]],
) -> None:
    with away():
        began = time.monotonic()
        assert Catalogue.by_id(1) == [1, 1]
        assert time.monotonic() - began < 2
        assert Catalogue.by_id(1) == [1, 2]
        with pytest.raises(RedisUnavailable):
            invalidate_cache(Catalogue.by_id, 1)


@pytest.mark.slow
@pytest.mark.parametrize("fails", [False, True])
def test_redis_may_go_away_during_a_load(tmp_path: Path, fails: bool) -> None:  # noqa: FBT001  # a case
    server = Server(tmp_path)
    server.start()

    @cache_result(ttl=60, key_prefix="test")
    def kills_redis() -> str:
        server.kill()
        if fails:
            raise LookupError("the database is away too")
        return "loaded"

    with redis_at(server.port):
        if fails:
            with pytest.raises(LookupError):
                kills_redis()
        else:
            assert kills_redis() == "loaded"


@pytest.mark.slow
def test_a_server_that_comes_back_from_an_old_copy_shows_no_result_of_it(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.start()
    numbers = iter(range(10))

    @cache_result(ttl=60, key_prefix="test")
    def number() -> int:
        return next(numbers)

    with redis_at(server.port):
        assert (number(), number()) == (0, 0)
        server.snapshot()
        invalidate_cache(number)
        server.kill()
        server.start()

        assert client().exists(number.cache_key())
        assert (number(), number()) == (1, 1)
    server.kill()


@pytest.mark.slow
def test_a_lease_of_an_old_copy_keeps_nothing(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.start()
    numbers = iter(range(10))

    @cache_result(ttl=60, key_prefix="test")
    def number() -> int:
        found = next(numbers)
        if not found:
            server.snapshot()
            invalidate_cache(number)
            server.kill()
            server.start()
        return found

    with redis_at(server.port):
        assert number() == 0
        assert not client().exists(number.cache_key())
    server.kill()
