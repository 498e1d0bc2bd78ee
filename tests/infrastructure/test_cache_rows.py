import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import UUID, uuid4

import pytest
from redis import Redis
from uuid6 import uuid7

from infrastructure.cache import RowCache, Rows
from infrastructure.redis import RedisUnavailable, client, key
from tests.infrastructure.support import Server, at_once, patient_redis, redis_at, redis_hanging, redis_refusing

ROWS = RowCache("test")
ID = UUID("01890000-0000-7000-8000-000000000001")


@pytest.fixture(autouse=True)
def _no_rows() -> Iterator[None]:
    yield
    if entries := client().keys(key("row", "*")):
        client().delete(*entries)


def cached() -> dict[str, Any] | None:
    return ROWS.look([ID]).found.get(ID)


def lifetime() -> int:
    return int(client().pttl(key("row", "test", str(ID))))


def row(version: int) -> dict[str, Any]:
    return {"id": str(ID), "name": f"version {version}", "phone": None, "is_active": True}


def add(version: int) -> None:
    ROWS.add(ID, version, row(version), history=ROWS.look([ID]).history)


def bury(version: int) -> None:
    ROWS.bury({ID: version})


def replace(version: int) -> None:
    ROWS.replace(ID, version, row(version))


def test_a_row_that_was_added_is_found_as_it_was() -> None:
    add(1)

    assert cached() == row(1)
    assert 299_000 < lifetime() <= 300_000


def test_many_rows_are_found_in_the_terms_of_the_question() -> None:
    first, second, unknown = uuid7(), uuid4(), uuid4()
    ROWS.replace(first, 1, {"n": 1})
    ROWS.replace(second, 1, {"n": 2})

    assert ROWS.look([second, unknown, first]).found == {second: {"n": 2}, first: {"n": 1}}
    assert ROWS.look(iter([UUID(str(first))])).found == {UUID(str(first)): {"n": 1}}
    assert ROWS.look([]) == Rows({}, "")


def test_two_caches_do_not_share_rows() -> None:
    add(1)

    assert RowCache("other").look([ID]).found == {}


def test_readers_only_add_where_nothing_is() -> None:
    add(2)
    add(1)
    add(3)

    assert cached() == row(2)


def test_a_buried_row_is_not_found_and_cannot_be_added() -> None:
    add(1)
    bury(2)
    assert cached() is None
    assert 59_000 < lifetime() <= 60_000

    add(1)
    assert cached() is None


def test_the_committed_row_takes_the_place_of_the_tombstone() -> None:
    add(1)
    bury(2)
    replace(2)

    assert cached() == row(2)
    assert 299_000 < lifetime() <= 300_000


def test_a_reader_that_read_before_the_write_and_adds_after_it_changes_nothing() -> None:
    bury(2)
    replace(2)
    add(1)

    assert cached() == row(2)


@pytest.mark.parametrize(
    "order",
    [
        ("first replaces", "second buries", "second replaces"),
        ("second buries", "first replaces", "second replaces"),
        ("second buries", "second replaces", "first replaces"),
    ],
)
def test_of_two_writers_the_higher_version_wins_in_any_order(order: tuple[str, ...]) -> None:
    steps: dict[str, Callable[[], None]] = {
        "first replaces": lambda: replace(2),
        "second buries": lambda: bury(3),
        "second replaces": lambda: replace(3),
    }
    bury(2)
    for step in order:
        steps[step]()

    assert cached() == row(3)


def test_the_late_row_of_the_first_writer_is_not_shown_while_the_second_commits() -> None:
    bury(2)
    bury(3)
    replace(2)

    assert cached() is None


def test_a_late_tombstone_does_not_open_the_door_to_an_older_row() -> None:
    bury(3)
    bury(2)
    replace(2)

    assert cached() is None


def test_a_writer_that_rolled_back_leaves_a_tombstone_that_the_next_one_replaces() -> None:
    add(1)
    bury(2)
    assert cached() is None

    bury(2)
    replace(2)
    assert cached() == row(2)


def test_a_tombstone_expires() -> None:
    brief = RowCache("test", ttl=1, tombstone_ttl=1)
    brief.bury({ID: 2})
    time.sleep(1.1)
    add(1)

    assert cached() == row(1)


def test_a_committed_row_is_kept_even_if_its_tombstone_is_gone() -> None:
    add(1)
    replace(2)
    assert cached() == row(2)

    replace(1)
    assert cached() == row(2)


def test_versions_are_compared_as_numbers() -> None:
    bury(10)
    replace(9)
    assert cached() is None
    replace(10)
    replace(9)
    assert cached() == row(10)


def test_a_version_may_be_a_time_in_microseconds() -> None:
    bury(1_893_553_445_678_902)
    replace(1_893_553_445_678_901)
    assert cached() is None
    replace(1_893_553_445_678_902)
    assert cached() == row(1_893_553_445_678_902)


def test_a_deleted_row_does_not_come_back() -> None:
    bury(2)
    ROWS.forget([ID])
    replace(2)
    add(2)
    replace(2**52)

    assert cached() is None


def test_a_forgotten_row_stays_so_for_as_long_as_a_copy_could_live() -> None:
    ROWS.forget([ID])

    assert 299_000 < lifetime() <= 300_000


def test_many_rows_are_buried_together() -> None:
    ids = [uuid7() for _ in range(50)]
    for row_id in ids:
        ROWS.replace(row_id, 1, {"n": 1})

    ROWS.bury(dict.fromkeys(ids[:49], 2))

    assert ROWS.look(ids).found == {ids[49]: {"n": 1}}
    ROWS.bury({})
    ROWS.forget([])


def test_what_json_does_not_hold_is_refused() -> None:
    for value in (object(), float("nan"), b"x"):
        with pytest.raises((TypeError, ValueError)):
            ROWS.add(ID, 1, {"value": value}, history=ROWS.look([ID]).history)
        with pytest.raises((TypeError, ValueError)):
            ROWS.replace(ID, 1, {"value": value})


@pytest.mark.parametrize("away", [redis_refusing, redis_hanging])
def test_with_redis_away_reads_go_on_and_a_writer_is_told(away: Callable[[], AbstractContextManager[None]]) -> None:
    with away():
        began = time.monotonic()
        assert cached() is None
        assert time.monotonic() - began < 2
        ROWS.add(ID, 1, row(1), history="0" * 40)
        replace(1)
        with pytest.raises(RedisUnavailable):
            bury(2)
        with pytest.raises(RedisUnavailable):
            ROWS.forget([ID])


def test_a_cache_is_never_behind_the_store_under_racing_writers_and_readers() -> None:
    """Sixteen threads write and read one row 10,000 times; after each commit no reader may see an older version."""
    committed = 0
    locked = Lock()

    def write() -> None:
        nonlocal committed
        with locked:
            version = committed + 1
            bury(version)
            committed = version
        replace(version)

    def read() -> int:
        floor = committed
        rows = ROWS.look([ID])
        if found := rows.found.get(ID):
            seen = int(found["name"].removeprefix("version "))
        else:
            seen = committed
            time.sleep(0.0005)
            ROWS.add(ID, seen, row(seen), history=rows.history)
        return seen - floor

    def work(number: int) -> int:
        behind = 0
        for _ in range(625):
            if number % 8:
                behind = min(behind, read())
            else:
                write()
        return behind

    with patient_redis():
        assert min(at_once(16, work)) == 0
    assert committed == 1_250
    assert cached() in (None, row(1_250))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A Redis that can be brought back from an old copy of its data."""
    server = Server(tmp_path)
    server.start()
    with redis_at(server.port):
        yield server
    server.kill()


@pytest.mark.slow
@pytest.mark.parametrize("change", [lambda: replace(2), lambda: bury(2), lambda: ROWS.forget([ID])])
def test_a_server_that_comes_back_from_an_old_copy_shows_no_row_of_it(
    server: Server, change: Callable[[], None]
) -> None:
    add(1)
    server.snapshot()
    change()
    server.kill()
    server.start()

    assert client().get(ROWS.entry(ID)) is not None
    assert cached() is None
    add(2)
    assert cached() == row(2)


@pytest.mark.slow
def test_a_tombstone_of_an_old_copy_still_is_one(server: Server) -> None:
    bury(2)
    server.snapshot()
    server.kill()
    server.start()

    add(1)
    assert cached() is None
    replace(2)
    assert cached() == row(2)


@pytest.mark.slow
def test_a_reader_that_looked_before_the_server_went_adds_nothing_after(server: Server) -> None:
    seen = ROWS.look([ID])
    bury(2)
    server.kill()
    server.start()

    ROWS.add(ID, 1, row(1), history=seen.history)
    assert cached() is None


@pytest.mark.slow
def test_a_replica_shows_no_row_and_none_of_the_time_before_it_took_over(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "replica"
    folder.mkdir()
    replica = Server(folder)
    replica.start()
    add(1)
    with closing(Redis(port=replica.port)) as connection, redis_at(replica.port):
        connection.replicaof("127.0.0.1", server.port)
        while connection.get(ROWS.entry(ID)) is None:
            time.sleep(0.01)

        assert ROWS.look([ID]) == Rows({}, "")
        connection.replicaof("NO", "ONE")
        assert cached() is None
        add(2)
        assert cached() == row(2)
    replica.kill()
