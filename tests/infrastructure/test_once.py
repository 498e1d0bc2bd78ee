import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from infrastructure.once import claim
from infrastructure.redis import RedisUnavailable, client, key
from tests.infrastructure.support import at_once, patient_redis, redis_hanging, redis_refusing


def _claim(holder: str, *, scope: str = "mail", subject: str = "ada", seconds: int = 60) -> bool:
    return claim(scope=scope, subject=subject, holder=holder, seconds=seconds)


def test_the_first_to_ask_may_and_may_again_and_nobody_else() -> None:
    assert [_claim(holder) for holder in ("first", "second", "first", "third")] == [True, False, True, False]


def test_each_subject_and_each_scope_has_its_own() -> None:
    assert [_claim("a"), _claim("b", subject="bob"), _claim("b", scope="letter")] == [True, True, True]


def test_a_claim_is_over_after_its_time() -> None:
    assert _claim("first", seconds=1)
    time.sleep(1.05)

    assert _claim("second", seconds=1)


def test_asking_again_does_not_prolong_it() -> None:
    _claim("first")
    name = next(client().scan_iter(match=f"{key('once')}:*"))
    client().pexpire(name, 5_000)

    _claim("first")

    assert 0 < client().pttl(name) <= 5_000


def test_of_many_at_once_one_may() -> None:
    with patient_redis():
        assert sum(at_once(50, lambda number: _claim(str(number)))) == 1


def test_redis_holds_no_subject_in_clear_text() -> None:
    _claim("holder", subject="ada@example.com")

    assert [name for name in client().scan_iter(match=f"{key()}*") if b"ada" in name] == []


@pytest.mark.parametrize("outage", [redis_refusing, redis_hanging])
def test_without_redis_nobody_knows(outage: Callable[[], AbstractContextManager[None]]) -> None:
    with outage(), pytest.raises(RedisUnavailable):
        _claim("first")
