import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from freezegun import freeze_time
from pytest_django import Settings

from infrastructure import ratelimit
from infrastructure.ratelimit import (
    Limit,
    RateLimiterUnavailable,
    State,
    Verdict,
    configured,
    hit,
    hit_local,
    is_reached,
    rate_limit_headers,
)
from infrastructure.redis import client, key
from tests.infrastructure.support import (
    Server,
    at_once,
    in_processes,
    patient_redis,
    redis_at,
    redis_hanging,
    redis_refusing,
)


@pytest.fixture(autouse=True)
def _nothing_counted() -> Iterator[None]:
    ratelimit._local.clear()
    yield
    ratelimit._local.clear()
    if counters := client().keys(key("limit", "*")):
        client().delete(*counters)


def login(subject: str = "ada@example.com", count: int = 10, window: int = 60) -> Limit:
    return Limit(scope="login", subject=subject, count=count, window=window)


def address(subject: str = "192.0.2.1", count: int = 20, window: int = 3600) -> Limit:
    return Limit(scope="address", subject=subject, count=count, window=window)


def attempt_fifty_times(prefix: str) -> Counter[bool]:
    django_settings.REDIS_KEY_PREFIX = prefix
    return Counter(hit([login(), address(count=1000)]).allowed for _ in range(50))


def test_requests_pass_until_the_count_is_reached() -> None:
    assert [hit([login(count=3)]).allowed for _ in range(5)] == [True, True, True, False, False]


def test_exactly_ten_of_two_thousand_simultaneous_requests_pass() -> None:
    def attempt(_: int) -> Counter[bool]:
        return Counter(hit([login(), address(count=1000)]).allowed for _ in range(10))

    with patient_redis():
        assert sum(at_once(200, attempt), Counter()) == {True: 10, False: 1990}


@pytest.mark.slow
def test_exactly_ten_requests_pass_over_four_processes() -> None:
    assert sum(in_processes(4, attempt_fifty_times), Counter()) == {True: 10, False: 190}


def test_what_one_scope_refuses_costs_the_others_nothing() -> None:
    narrow, wide = login(count=1), address(count=20)
    assert hit([narrow, wide]).allowed

    for _ in range(5):
        assert not hit([narrow, wide]).allowed
    assert hit([wide]).states == (State(limit=wide, remaining=18, reset=3600),)


def test_the_order_of_the_scopes_does_not_matter() -> None:
    narrow, wide = login(count=1), address(count=20)
    hit([wide, narrow])

    assert not hit([wide, narrow]).allowed
    assert hit([wide]).states[0].remaining == 18


def test_a_verdict_tells_what_is_left_of_each_scope() -> None:
    assert hit([login(), address()]) == Verdict(
        allowed=True,
        retry_after=0,
        states=(State(login(), remaining=9, reset=60), State(address(), remaining=19, reset=3600)),
    )


def test_retry_after_is_the_longest_wait_of_those_that_refuse() -> None:
    limits = [login(count=1, window=60), address(count=1, window=90), address("other", count=9, window=3600)]
    hit(limits)

    assert hit(limits).retry_after == 90


def test_retry_after_is_rounded_up_and_honest() -> None:
    limit = login(count=1, window=1)
    hit([limit])
    time.sleep(0.3)

    verdict = hit([limit])
    assert (verdict.allowed, verdict.retry_after) == (False, 1)
    time.sleep(verdict.retry_after)
    assert hit([limit]).allowed


def test_a_window_begins_at_the_first_request_and_is_not_stretched() -> None:
    limit = login(window=60)
    hit([limit])
    client().pexpire(limit.counter, 10_500)

    assert hit([limit]).states == (State(limit, remaining=8, reset=11),)
    assert hit([limit]).states == (State(limit, remaining=7, reset=11),)


def test_a_counter_that_lost_its_end_gets_one() -> None:
    limit = login(count=5)
    client().set(limit.counter, 5)
    assert hit([limit]).retry_after == 60

    client().set(limit.counter, 3)
    hit([limit])
    assert 59_000 < client().pttl(limit.counter) <= 60_000


def test_subjects_are_counted_apart_and_a_changed_window_acts_at_once() -> None:
    assert hit([login("ada", count=1)]).allowed
    assert hit([login("grace", count=1)]).allowed
    assert not hit([login("ada", count=1)]).allowed
    assert hit([login("ada", count=1, window=30)]).allowed


def test_a_limit_can_be_looked_at_without_being_counted() -> None:
    limit = login(count=2)

    assert [is_reached(limit) for _ in range(5)] == [False] * 5
    hit([limit])
    assert not is_reached(limit)
    hit([limit])
    assert is_reached(limit)
    with redis_refusing(), pytest.raises(RateLimiterUnavailable):
        is_reached(limit)


def test_the_settings_give_a_scope_its_limit(settings: Settings) -> None:
    settings.THROTTLE_RATES = {"login": (7, 60)}

    assert configured("login", "ada") == Limit(scope="login", subject="ada", count=7, window=60)


def test_redis_holds_no_subject_in_clear_text() -> None:
    hit([login("canary@example.com"), address("198.51.100.77")])

    names = str(client().keys(key("limit", "*")))
    assert names.count(":limit:") == 2
    assert "canary" not in names
    assert "198.51" not in names


def test_the_hash_of_a_subject_needs_the_secret(settings: Settings) -> None:
    before = login().counter
    settings.SECRET_KEY = "another-secret"

    assert login().counter != before


@pytest.mark.parametrize("count", [hit, hit_local])
def test_a_subject_may_be_any_text(count: Callable[[list[Limit]], Verdict]) -> None:
    assert count([login("\x00 \ud800 " + "x" * 10_000)]).allowed


@pytest.mark.parametrize("count", [hit, hit_local])
def test_no_limit_lets_everything_pass(count: Callable[[list[Limit]], Verdict]) -> None:
    assert count([]) == Verdict(allowed=True, retry_after=0, states=())


@pytest.mark.parametrize("away", [redis_refusing, redis_hanging])
def test_redis_away_is_told_within_two_seconds(away: Callable[[], AbstractContextManager[None]]) -> None:
    with away():
        began = time.monotonic()
        with pytest.raises(RateLimiterUnavailable):
            hit([login(), address()])
        assert time.monotonic() - began < 2


def test_the_local_limit_is_a_tenth_and_at_least_one() -> None:
    assert [hit_local([login(count=30)]).allowed for _ in range(4)] == [True, True, True, False]
    assert [hit_local([address(count=3)]).allowed for _ in range(2)] == [True, False]


def test_the_local_limit_is_exact_between_threads() -> None:
    def attempt(_: int) -> Counter[bool]:
        return Counter(hit_local([login(count=30_000)]).allowed for _ in range(200))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        assert sum(at_once(20, attempt), Counter()) == {True: 3000, False: 1000}
    finally:
        sys.setswitchinterval(interval)


def test_the_local_limit_counts_all_scopes_or_none() -> None:
    narrow, wide = login(count=10), address(count=200)
    assert hit_local([narrow, wide]).allowed

    for _ in range(5):
        assert not hit_local([narrow, wide]).allowed
    assert hit_local([wide]).states[0].remaining == 18


def test_the_local_window_ends() -> None:
    with freeze_time() as clock:
        hit_local([login(count=10)])
        clock.tick(20.5)
        assert hit_local([login(count=10)]).retry_after == 40
        clock.tick(39.5)
        assert hit_local([login(count=10)]).allowed


def test_the_local_memory_is_bounded_and_keeps_whom_it_saw_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ratelimit, "LOCAL_SUBJECTS", 100)
    hit_local([login("flooder")])
    for number in range(500):
        hit_local([login(f"subject {number}")])
        assert not hit_local([login("flooder"), login(f"never counted {number}")]).allowed

    assert len(ratelimit._local) == 100


def test_the_headers_are_structured_lists_of_all_scopes() -> None:
    verdict = Verdict(
        allowed=True,
        retry_after=0,
        states=(State(login(), remaining=9, reset=60), State(address(), remaining=0, reset=1)),
    )

    assert rate_limit_headers(verdict) == {
        "RateLimit-Policy": '"login";q=10;w=60, "address";q=20;w=3600',
        "RateLimit": '"login";r=9;t=60, "address";r=0;t=1',
    }


def test_an_answer_that_was_not_counted_carries_no_headers() -> None:
    assert rate_limit_headers(hit([])) == {}


@pytest.mark.slow
def test_counters_survive_a_restart(tmp_path: Path) -> None:
    server = Server(tmp_path, log=True)
    server.start()
    with redis_at(server.port):
        for _ in range(3):
            hit([login(count=3)])
        server.kill()
        server.start()

        verdict = hit([login(count=3)])
    server.kill()

    assert not verdict.allowed
    assert 55 < verdict.retry_after <= 60
