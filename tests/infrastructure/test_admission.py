from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from uuid import UUID

import pytest

from infrastructure.admission import Admission, Row, admit, admit_all, keep_and_count
from infrastructure.cache import RowCache
from infrastructure.ratelimit import NO_LIMITS, Limit, RateLimiterUnavailable, State, Verdict, hit
from infrastructure.redis import client, key
from tests.infrastructure.support import at_once, redis_hanging, redis_refusing

USERS, SESSIONS = RowCache("test-users"), RowCache("test-sessions")
USER = UUID("01890000-0000-7000-8000-000000000001")
SESSION = UUID("01890000-0000-7000-8000-000000000002")
WANTED = [(USERS, USER), (SESSIONS, SESSION)]
ROWS = [Row(USERS, USER, 3, {"name": "Ada"}), Row(SESSIONS, SESSION, 1, {"open": True})]
ROWS_SEEN = ({"name": "Ada"}, {"open": True})
BURST = Limit(scope="burst", subject="ada", count=3, window=60)
DAY = Limit(scope="day", subject="ada", count=100, window=86_400)


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    yield
    if names := client().keys(key("*")):
        client().delete(*names)


def _used(limit: Limit) -> int:
    return int(client().get(limit.counter) or 0)


def _warm() -> None:
    keep_and_count(ROWS, [], history=admit(WANTED, []).history)


def test_rows_that_are_there_come_with_the_verdict_of_the_limits() -> None:
    _warm()

    admission = admit(WANTED, [BURST, DAY])

    assert admission.rows == ({"name": "Ada"}, {"open": True})
    assert admission.verdict == Verdict(
        allowed=True,
        retry_after=0,
        states=(State(BURST, remaining=2, reset=60), State(DAY, remaining=99, reset=86_400)),
    )


def test_a_limit_that_is_reached_refuses_and_the_rows_come_all_the_same() -> None:
    _warm()
    verdicts = [admit(WANTED, [BURST, DAY]).verdict.allowed for _ in range(5)]

    assert verdicts == [True, True, True, False, False]
    assert admit(WANTED, [BURST]).rows == ({"name": "Ada"}, {"open": True})
    assert _used(DAY) == 3


def test_what_counts_against_nothing_brings_rows_too() -> None:
    _warm()

    assert admit(WANTED, []) == Admission(admit(WANTED, []).history, ({"name": "Ada"}, {"open": True}), NO_LIMITS)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda: USERS.bury({USER: 4}),
        lambda: SESSIONS.forget([SESSION]),
        lambda: client().delete(USERS.entry(USER)),
        lambda: client().delete(SESSIONS.entry(SESSION)),
    ],
)
def test_if_a_row_is_not_there_none_comes_and_nothing_is_counted(spoil: Callable[[], object]) -> None:
    _warm()
    spoil()

    admission = admit(WANTED, [BURST, DAY])

    assert (admission.rows, admission.verdict) == ((), NO_LIMITS)
    assert len(admission.history) == 40
    assert _used(BURST) == _used(DAY) == 0


def test_missing_rows_are_kept_while_the_limits_are_counted() -> None:
    history = admit(WANTED, [BURST]).history

    verdict = keep_and_count(ROWS, [BURST], history=history)

    assert verdict == Verdict(allowed=True, retry_after=0, states=(State(BURST, remaining=2, reset=60),))
    assert admit(WANTED, []).rows == ({"name": "Ada"}, {"open": True})
    assert 299_000 < client().pttl(USERS.entry(USER)) <= 300_000


def test_a_row_that_was_buried_in_between_is_not_kept() -> None:
    history = admit(WANTED, []).history
    SESSIONS.forget([SESSION])

    verdict = keep_and_count(ROWS, [BURST], history=history)

    assert verdict.allowed
    assert admit(WANTED, []).rows == ()
    assert USERS.look([USER]).found == {USER: {"name": "Ada"}}


def test_rows_of_another_history_are_not_kept_and_the_limits_are_counted() -> None:
    keep_and_count(ROWS, [BURST], history="0" * 40)

    assert admit(WANTED, []).rows == ()
    assert _used(BURST) == 1


def test_nothing_to_keep_and_nothing_to_count_asks_nobody() -> None:
    with redis_refusing():
        assert keep_and_count([], [], history="") == NO_LIMITS


def test_of_simultaneous_requests_as_many_pass_as_the_limit_says() -> None:
    _warm()

    allowed = at_once(40, lambda _: admit(WANTED, [BURST, DAY]).verdict.allowed)

    assert allowed.count(True) == 3
    assert _used(DAY) == 3


def test_both_ways_count_with_the_same_counters() -> None:
    hit([BURST])
    keep_and_count(ROWS, [BURST], history=admit(WANTED, []).history)

    assert admit(WANTED, [BURST]).verdict.states == (State(BURST, remaining=0, reset=60),)


@pytest.mark.parametrize("away", [redis_refusing, redis_hanging])
def test_redis_away_is_told(away: Callable[[], AbstractContextManager[None]]) -> None:
    with away():
        with pytest.raises(RateLimiterUnavailable):
            admit(WANTED, [BURST])
        with pytest.raises(RateLimiterUnavailable):
            keep_and_count(ROWS, [BURST], history="0" * 40)


OTHER = UUID("01890000-0000-7000-8000-000000000003")
UNKNOWN = [(USERS, OTHER), (SESSIONS, SESSION)]


def test_several_are_admitted_as_each_would_be_by_himself_and_in_their_order() -> None:
    _warm()

    admissions = admit_all([(WANTED, [BURST, DAY]), (UNKNOWN, [BURST]), (WANTED, []), (WANTED, [BURST, DAY])])

    assert [admission.rows for admission in admissions] == [ROWS_SEEN, (), ROWS_SEEN, ROWS_SEEN]
    assert [admission.verdict for admission in admissions] == [NO_LIMITS] * 4
    assert (_used(BURST), _used(DAY)) == (2, 2)
    assert {admission.history for admission in admissions} == {admit(WANTED, []).history}


def test_of_several_exactly_as_many_pass_as_the_limit_lets() -> None:
    _warm()

    batches = at_once(10, lambda _: admit_all([(WANTED, [BURST])] * 5))

    passed = [admission.verdict.allowed for batch in batches for admission in batch]
    assert passed.count(True) == BURST.count
    assert _used(BURST) == BURST.count


def test_one_who_is_refused_by_a_limit_costs_the_others_nothing() -> None:
    _warm()
    other = Limit(scope="burst", subject="bob", count=1, window=60)

    admissions = admit_all([(WANTED, [other]), (WANTED, [other, DAY]), (WANTED, [DAY])])

    assert [admission.verdict.allowed for admission in admissions] == [True, False, True]
    assert _used(DAY) == 1


def test_nobody_is_admitted_without_a_round_trip_and_none_of_several_while_redis_is_away() -> None:
    with redis_refusing():
        assert admit_all([]) == []
        with pytest.raises(RateLimiterUnavailable):
            admit_all([(WANTED, [BURST])])
