"""The pool of connections, over a restart of the server."""

from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest
from django.db import connection, connections
from psycopg_pool import PoolTimeout

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def wrapper() -> Iterator[Any]:
    """A wrapper whose pool is nobody else's, with ten idle connections."""
    wrapper: Any = connections["default"].copy(alias="spare")
    opened = [wrapper.get_new_connection({}) for _ in range(10)]
    for one in opened:
        wrapper.pool.putconn(one)
    yield wrapper
    wrapper.close_pool()


def idle(wrapper: Any) -> set[int]:
    return {one.info.backend_pid for one in wrapper.pool._pool}


def cut(wrapper: Any) -> None:
    """Do to all idle connections what a restart of the server does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid, 5000) FROM unnest(%s) AS pid", [sorted(idle(wrapper))])
        assert cursor.fetchall() == [(True,)] * 10


def test_after_a_restart_each_user_gets_a_living_connection_at_once(wrapper: Any) -> None:
    cut(wrapper)
    begin = monotonic()

    opened = [wrapper.get_new_connection({}) for _ in range(10)]

    assert [one.execute("SELECT 1").fetchone() for one in opened] == [(1,)] * 10
    assert monotonic() - begin < 1
    for one in opened:
        wrapper.pool.putconn(one)


def test_a_living_connection_is_used_again(wrapper: Any) -> None:
    before = idle(wrapper)

    one = wrapper.get_new_connection({})

    assert one.info.backend_pid in before
    wrapper.pool.putconn(one)
    assert idle(wrapper) == before


def test_a_connection_that_the_server_has_told_something_is_asked_and_used_again(wrapper: Any) -> None:
    one = wrapper.get_new_connection({})
    one.execute("LISTEN news")
    one.commit()
    wrapper.pool.putconn(one)
    with connection.cursor() as cursor:
        cursor.execute("NOTIFY news")

    taken = [wrapper.get_new_connection({}) for _ in range(10)]

    assert one in taken
    assert one.execute("SELECT 1").fetchone() == (1,)
    for other in taken:
        wrapper.pool.putconn(other)


def test_a_server_that_stays_away_is_told_within_the_pools_time(wrapper: Any) -> None:
    cut(wrapper)
    wrapper.pool.kwargs["port"] = 1
    wrapper.pool.timeout = 0.2

    with pytest.raises(PoolTimeout, match=r"couldn't get a connection after 0\.20 sec"):
        wrapper.get_new_connection({})
