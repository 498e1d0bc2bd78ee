from collections.abc import Callable
from contextlib import AbstractContextManager
from uuid import UUID

import pytest
from django.db import transaction
from pytest_django import DjangoAssertNumQueries

from apps.common.tests.races import at_once
from apps.users.exceptions import SessionRevokedError, TokenInvalidError
from apps.users.models import Session, User
from apps.users.selectors import UserSelector, session_cache
from apps.users.services import SessionService
from apps.users.tests.factories import UserFactory
from apps.users.tests.support import ENDINGS, redis_hanging, redis_refusing, signed_in
from apps.users.types import Credentials
from infrastructure.ratelimit import Limit

pytestmark = pytest.mark.django_db(transaction=True)


def _limits(user_id: UUID) -> list[Limit]:
    return [Limit(scope="burst", subject=str(user_id), count=3, window=60)]


def _left(access: str) -> int:
    verdict = SessionService.admit(access=access, limits_of=_limits).verdict
    assert verdict is not None
    return verdict.states[0].remaining


def _login(user: User | None = None) -> Credentials:
    user = user or UserFactory.create(phone="+442079460000")
    return signed_in(user)


def test_the_account_is_the_same_from_the_database_and_from_the_cache(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    access = _login().access

    with django_assert_num_queries(1):
        cold = SessionService.admit(access=access, limits_of=_limits)
    with django_assert_num_queries(0):
        warm = SessionService.admit(access=access, limits_of=_limits)

    assert cold.account == warm.account == UserSelector.committed(user_id=User.objects.get().pk)
    assert cold.bearer == warm.bearer
    assert warm.bearer.session_id == Session.objects.get().pk
    assert warm.account.phone == "+442079460000"


def test_every_request_is_counted_once_whether_the_account_is_cached_or_not() -> None:
    access = _login().access

    assert [_left(access) for _ in range(2)] == [2, 1]
    UserSelector.by_id(user_id=User.objects.get().pk)
    session_cache.forget([Session.objects.get().pk])
    assert _left(access) == 0


def test_whoever_is_not_admitted_is_not_counted() -> None:
    user = UserFactory.create()
    access, other = _login(user).access, _login(user).access
    _left(access)
    SessionService.end(
        user_id=user.pk, session_id=SessionService.admit(access=access, limits_of=lambda _: ()).bearer.session_id
    )

    for _ in range(5):
        with pytest.raises(SessionRevokedError):
            SessionService.admit(access=access, limits_of=_limits)

    assert _left(other) == 1


def test_a_token_that_is_not_good_asks_for_no_limits() -> None:
    asked: list[UUID] = []

    def limits_of(user_id: UUID) -> list[Limit]:
        asked.append(user_id)
        return []

    with pytest.raises(TokenInvalidError):
        SessionService.admit(access="rubbish", limits_of=limits_of)
    assert asked == []


def test_what_a_transaction_has_not_committed_is_not_kept() -> None:
    access = _login().access

    with transaction.atomic():
        User.objects.update(name="Not committed")
        assert SessionService.resume(access=access).name == "Not committed"
        transaction.set_rollback(True)

    assert SessionService.resume(access=access).name != "Not committed"


@pytest.mark.parametrize("outage", [redis_refusing, redis_hanging])
def test_without_redis_the_session_is_looked_up_and_the_verdict_left_open(
    outage: Callable[[], AbstractContextManager[None]],
) -> None:
    user = UserFactory.create()
    here, there = _login(user), _login(user)
    SessionService.logout(token=there.refresh)

    with outage():
        admitted = SessionService.admit(access=here.access, limits_of=_limits)
        with pytest.raises(SessionRevokedError):
            SessionService.resume(access=there.access)

    assert (admitted.account.id, admitted.verdict) == (user.pk, None)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_cached_session_that_is_ended_is_over_at_the_next_request(ending: str) -> None:
    credentials = _login()
    for _ in range(2):
        SessionService.resume(access=credentials.access)

    ENDINGS[ending](credentials)

    with pytest.raises(SessionRevokedError):
        SessionService.resume(access=credentials.access)


@pytest.mark.parametrize("ending", ENDINGS)
def test_none_of_fifty_who_resume_at_once_is_admitted_once_the_session_is_ended(ending: str) -> None:
    credentials = _login()
    over = False

    def act(number: int) -> list[bool]:
        nonlocal over
        if number == 0:
            ENDINGS[ending](credentials)
            over = True
            return []
        late = []
        for _ in range(4):
            began_late = over
            try:
                SessionService.resume(access=credentials.access)
            except SessionRevokedError:
                continue
            late.append(began_late)
        return late

    admitted = [late for answers in at_once(51, act) for late in answers]

    assert not any(admitted)
    with pytest.raises(SessionRevokedError):
        SessionService.resume(access=credentials.access)
