import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from infrastructure import tickets
from infrastructure.redis import RedisUnavailable, client, key
from tests.infrastructure.support import Server, at_once, redis_at, redis_hanging, redis_refusing

CLAIMS = {"user_id": "ada", "version": 1}


@pytest.fixture(autouse=True)
def _no_tickets() -> Iterator[None]:
    yield
    if entries := client().keys(key("ticket", "*")):
        client().delete(*entries)


def _held() -> dict[str, str]:
    held: Any = client()
    return {name.decode(): held.get(name).decode() for name in held.keys(key("ticket", "*"))}


def test_a_ticket_gives_back_its_claims_once() -> None:
    ticket = tickets.issue(CLAIMS, seconds=30)

    assert tickets.redeem(ticket) == CLAIMS
    assert tickets.redeem(ticket) is None


def test_of_many_who_redeem_one_at_once_exactly_one_does() -> None:
    issued = [tickets.issue(CLAIMS, seconds=30) for _ in range(10)]

    redeemed = at_once(20, lambda _: [tickets.redeem(ticket) for ticket in issued])

    assert [[claims for claims in of_one if claims] for of_one in zip(*redeemed, strict=True)] == [[CLAIMS]] * 10


def test_a_ticket_ends_by_itself() -> None:
    ticket = tickets.issue(CLAIMS, seconds=1)
    time.sleep(1.1)

    assert tickets.redeem(ticket) is None


@pytest.mark.parametrize("text", ["", "x" * 43, "\x00", "\ud800", "x" * 100_000, "*"])
def test_whatever_is_no_ticket_opens_nothing(text: str) -> None:
    tickets.issue(CLAIMS, seconds=30)

    assert tickets.redeem(text) is None
    assert len(_held()) == 1


def test_redis_holds_nothing_that_is_a_ticket() -> None:
    ticket = tickets.issue(CLAIMS, seconds=30)

    ((name, value),) = _held().items()
    assert ticket not in name + value
    assert tickets.redeem(name.rpartition(":")[2]) is None
    assert tickets.redeem(ticket) == CLAIMS


@pytest.mark.parametrize("away", [redis_refusing, redis_hanging])
def test_with_redis_away_there_are_none(away: Callable[[], AbstractContextManager[None]]) -> None:
    with away():
        with pytest.raises(RedisUnavailable):
            tickets.issue(CLAIMS, seconds=30)
        with pytest.raises(RedisUnavailable):
            tickets.redeem("x" * 43)


@pytest.mark.slow
def test_a_server_that_comes_back_from_an_old_copy_redeems_nothing_twice(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.start()
    with redis_at(server.port):
        ticket = tickets.issue(CLAIMS, seconds=30)
        server.snapshot()
        assert tickets.redeem(ticket) == CLAIMS
        server.kill()
        server.start()

        assert _held()
        assert tickets.redeem(ticket) is None
    server.kill()
