import time
from collections.abc import Iterator

import pytest

from infrastructure import occupancy
from infrastructure.occupancy import LIFETIME, Place
from infrastructure.redis import RedisUnavailable, client, key
from tests.infrastructure.support import at_once, redis_refusing


@pytest.fixture(autouse=True)
def _nothing_open() -> Iterator[None]:
    yield
    if names := client().keys(key("open", "*")):
        client().delete(*names)


def _place(name: str, subject: str = "ada") -> Place:
    return Place("sockets", subject, name)


def _taken(subject: str = "ada") -> int:
    return int(client().zcard(_place("", subject).places))


def test_as_many_are_taken_as_there_may_be() -> None:
    assert [occupancy.take(_place(str(number)), at_most=2) for number in range(3)] == [True, True, False]
    assert occupancy.take(_place("0", "bob"), at_most=2)
    assert (_taken(), _taken("bob")) == (2, 1)


def test_of_many_at_once_exactly_so_many_get_one() -> None:
    taken = at_once(40, lambda number: occupancy.take(_place(str(number)), at_most=10))

    assert sum(taken) == 10


def test_a_place_that_was_given_up_is_free() -> None:
    occupancy.take(_place("1"), at_most=1)

    occupancy.give_up(_place("1"))

    assert occupancy.take(_place("2"), at_most=1)


def test_a_place_that_nobody_keeps_is_free_after_its_time() -> None:
    occupancy.take(_place("1"), at_most=1)
    client().zadd(_place("1").places, {"1": time.time() - 1})

    assert occupancy.take(_place("2"), at_most=1)
    assert _taken() == 1


def test_a_place_that_is_kept_is_taken_for_longer() -> None:
    places = [_place("1"), _place("2")]
    for place in places:
        occupancy.take(place, at_most=2)
        client().zadd(place.places, {place.name: time.time() + 1})

    occupancy.keep(places)

    ends = [float(client().zscore(place.places, place.name) or 0) for place in places]
    assert all(LIFETIME - 2 < end - time.time() <= LIFETIME for end in ends)


def test_redis_holds_no_name_of_the_subject() -> None:
    occupancy.take(_place("1", "ada@example.com"), at_most=1)

    assert "ada" not in str(client().keys(key("open", "*")))
    assert "ada" not in repr(_place("1", "ada@example.com"))


def test_with_redis_away_nothing_can_be_taken() -> None:
    with redis_refusing():
        for call in (
            lambda: occupancy.take(_place("1"), at_most=1),
            lambda: occupancy.keep([_place("1")]),
            lambda: occupancy.give_up(_place("1")),
        ):
            with pytest.raises(RedisUnavailable):
                call()
