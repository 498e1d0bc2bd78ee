"""What many failed logins of one account do to the next ones."""

import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from django.core import mail
from pytest_django import Settings

from apps.common.tests.races import at_once
from apps.users.exceptions import WrongCredentialsError
from apps.users.models import AuditEntry, Session
from apps.users.services import UserService
from apps.users.tasks import send_security_notice
from apps.users.tests.factories import PASSWORD, UserFactory
from apps.users.tests.support import redis_contents, redis_refusing
from infrastructure.origin import Origin, coming_from
from infrastructure.queue.models import OutboxRow, OutboxState
from infrastructure.ratelimit import RateLimiterUnavailable

EMAIL = "ada@example.com"
HOME, ELSEWHERE = Origin("192.0.2.1"), Origin("203.0.113.1")
DELAY = 0.3


@pytest.fixture(autouse=True)
def _limits(settings: Settings) -> Iterator[None]:
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login_failures": (3, 3_600)}
    settings.LOGIN_DELAY = DELAY
    settings.LOGIN_DELAYED_AT_ONCE = 50
    with coming_from(ELSEWHERE):
        yield


def _login(email: str = EMAIL, password: str = PASSWORD) -> tuple[bool, bool]:
    """Return whether it was let in, and whether it was delayed."""
    began = time.monotonic()
    entered = False
    with suppress(WrongCredentialsError):
        UserService.login(email=email, password=password)
        entered = True
    return entered, time.monotonic() - began >= DELAY


def _fail(times: int, email: str = EMAIL) -> list[bool]:
    return [_login(email, "not the one at all")[1] for _ in range(times)]


@pytest.mark.django_db
def test_after_too_many_failures_each_login_is_delayed_and_the_right_password_still_opens() -> None:
    UserFactory.create(email=EMAIL)

    assert _fail(5) == [False, False, False, True, True]
    assert _login() == (True, True)


@pytest.mark.django_db
def test_logins_that_succeed_are_no_failures() -> None:
    UserFactory.create(email=EMAIL)

    assert [_login() for _ in range(5)] == [(True, False)] * 5


@pytest.mark.django_db
def test_an_unknown_and_a_closed_account_are_counted_and_delayed_alike() -> None:
    UserFactory.create(email="closed@example.com", is_active=False)

    assert _fail(4, "nobody@example.com") == _fail(4, "closed@example.com") == [False, False, False, True]


@pytest.mark.django_db
def test_every_spelling_of_the_address_and_every_place_count_together() -> None:
    UserFactory.create(email=EMAIL)

    _fail(1)
    _fail(1, "ADA@example.com")
    with coming_from(Origin("198.51.100.7")):
        _fail(1, " ａｄａ@example.com")

    assert _fail(1) == [True]
    assert _fail(1, "bob@example.com") == [False]


@pytest.mark.django_db
def test_the_owner_is_not_delayed_where_the_account_has_an_open_session() -> None:
    user = UserFactory.create(email=EMAIL)
    with coming_from(HOME):
        UserService.login(email=EMAIL, password=PASSWORD)
    _fail(3)

    with coming_from(HOME):
        assert _login() == (True, False)
    assert _login() == (True, True)
    Session.objects.filter(user=user).update(ended_at=user.created_at)
    with coming_from(HOME):
        assert _login() == (True, True)


@pytest.mark.django_db(transaction=True)
def test_no_more_wait_at_once_than_may_and_all_are_let_in(settings: Settings) -> None:
    UserFactory.create(email=EMAIL)
    _fail(3)
    settings.LOGIN_DELAYED_AT_ONCE = 2
    settings.LOGIN_DELAY = 2

    def login(_: int) -> tuple[bool, bool]:
        began = time.monotonic()
        with coming_from(ELSEWHERE):
            entered, _delayed = _login()
        return entered, time.monotonic() - began >= 2

    answers = at_once(6, login)

    assert [entered for entered, _ in answers] == [True] * 6
    assert [delayed for _, delayed in answers].count(True) == 2


@pytest.mark.django_db
def test_the_owner_is_told_once_in_an_hour_when_they_become_too_many() -> None:
    user = UserFactory.create(email=EMAIL)

    _fail(2)
    assert not OutboxRow.objects.exists()
    _fail(3)

    (row,) = OutboxRow.objects.all()
    assert (row.name, row.payload) == (
        "users.send_security_notice",
        {"user_id": str(user.pk), "notice": "login_failures"},
    )
    assert [(entry.action, entry.account_id) for entry in AuditEntry.objects.all()] == [("login_failures", user.pk)]


@pytest.mark.django_db(transaction=True)
def test_for_an_unknown_account_the_same_work_is_done_and_nobody_is_told() -> None:
    _fail(5, "nobody@example.com")

    (job,) = OutboxRow.objects.all()
    assert job.name == "users.send_security_notice"
    send_security_notice(str(job.pk))
    assert mail.outbox == []
    assert OutboxRow.objects.get().state == OutboxState.DONE


@pytest.mark.django_db
def test_redis_holds_no_address_of_those_who_failed() -> None:
    _fail(4)

    assert "example" not in str(redis_contents())


@pytest.mark.django_db
def test_without_redis_no_password_is_tried() -> None:
    UserFactory.create(email=EMAIL)

    with redis_refusing(), pytest.raises(RateLimiterUnavailable):
        UserService.login(email=EMAIL, password=PASSWORD)
    assert not Session.objects.exists()
