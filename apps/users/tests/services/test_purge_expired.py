from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.contrib.sessions.models import Session as BrowserSession
from django.db import connections, transaction
from freezegun import freeze_time
from uuid6 import uuid7

from apps.common.exceptions import AppException
from apps.common.tests.races import at_once
from apps.users.models import RefreshToken, Session, User
from apps.users.services import ErasureService, SessionService, UserService
from apps.users.tests.factories import PASSWORD, UserFactory
from apps.users.tests.support import run_jobs, signed_in, wait_until, waiting_for_locks
from infrastructure import batches
from infrastructure.queue.models import OutboxRow

pytestmark = pytest.mark.django_db

MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_only_what_is_expired_goes() -> None:
    user = UserFactory.create()
    with freeze_time(MOMENT):
        UserService.login(email=user.email, password=PASSWORD)
    with freeze_time(MOMENT + timedelta(days=5)):
        living = signed_in(user)

    with freeze_time(MOMENT + timedelta(days=7)):
        assert SessionService.purge_expired() == 1
        assert Session.objects.count() == 2
        assert RefreshToken.objects.count() == 1
        SessionService.refresh(token=living.refresh)
    with freeze_time(MOMENT + timedelta(days=30)):
        # The session, and with it nothing else: its token went before.
        assert SessionService.purge_expired() == 3
        assert Session.objects.count() == 1


def test_a_session_that_was_ended_stays_until_its_date_so_that_its_tokens_stay_refused() -> None:
    user = UserFactory.create()
    with freeze_time(MOMENT):
        credentials = signed_in(user)
        SessionService.logout(token=credentials.refresh)

        assert SessionService.purge_expired() == 0

    assert Session.objects.count() == 1


def test_a_login_of_the_admin_site_goes_when_it_is_over() -> None:
    now = datetime.now(UTC)
    for key, hours in (("over", -1), ("open", 1)):
        BrowserSession.objects.create(session_key=key, expire_date=now + timedelta(hours=hours))

    assert SessionService.purge_expired() == 1

    assert BrowserSession.objects.get().session_key == "open"


def test_more_than_a_batch_is_left_to_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "SIZE", 2)
    user = UserFactory.create()
    past = datetime.now(UTC) - timedelta(days=1)
    Session.objects.bulk_create(Session(user=user, expires_at=past) for _ in range(5))

    assert SessionService.purge_expired() == 2
    assert [(job.name, job.payload) for job in OutboxRow.objects.all()] == [("users.clean_expired_tokens", {})]

    for _ in range(3):
        run_jobs()
    assert not Session.objects.exists()
    assert OutboxRow.objects.count() == 2


def test_a_session_waits_for_the_last_of_its_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "SIZE", 3)
    with freeze_time(MOMENT):
        credentials = signed_in(UserFactory.create())
        for _ in range(3):
            credentials = SessionService.refresh(token=credentials.refresh)

    with freeze_time(MOMENT + timedelta(days=31)):
        gone = [SessionService.purge_expired() for _ in range(3)]

    assert gone == [3, 2, 0]


def test_a_chain_of_tokens_goes_although_each_names_its_successor() -> None:
    with freeze_time(MOMENT):
        credentials = signed_in(UserFactory.create())
        for _ in range(3):
            credentials = SessionService.refresh(token=credentials.refresh)
    with freeze_time(MOMENT + timedelta(days=8)):
        assert SessionService.purge_expired() == 4


def _alone(call: Callable[[], Any]) -> Any:
    try:
        return call()
    finally:
        connections.close_all()


@pytest.mark.django_db(transaction=True)
def test_it_waits_for_nobody_and_so_takes_part_in_no_deadlock() -> None:
    user = UserFactory.create()
    past = datetime.now(UTC) - timedelta(days=1)
    # They lie in the table in an order that is not that of their keys, in which a logout takes them.
    keys = [uuid7() for _ in range(3)]
    for key in reversed(keys):
        Session.objects.create(pk=key, user=user, expires_at=past)

    with ThreadPoolExecutor(2) as pool:
        with transaction.atomic():
            Session.objects.select_for_update().get(pk=keys[1])
            purge = pool.submit(_alone, SessionService.purge_expired)
            wait_until(lambda: purge.done() or waiting_for_locks() == 1)
            logout = pool.submit(_alone, lambda: SessionService.logout_all(user_id=user.pk))
            wait_until(lambda: logout.done() or waiting_for_locks() == 1 + (not purge.done()))
        assert purge.result() == 2
        logout.result()

    assert Session.objects.get().pk == keys[1]
    assert User.objects.get().token_version == 2


@pytest.mark.django_db(transaction=True)
def test_beside_refreshes_logouts_and_erasures_nothing_fails_and_nothing_that_is_over_stays() -> None:
    for _ in range(5):
        user = UserFactory.create()
        pairs = [signed_in(user) for _ in range(4)]
        for number, pair in enumerate(pairs):
            pairs[number] = SessionService.refresh(token=pair.refresh)
        # Their first tokens are over, and half of the sessions.
        RefreshToken.objects.exclude(used_at=None).update(expires_at=MOMENT)
        ids = Session.objects.filter(user=user).order_by("-pk").values_list("pk", flat=True)[:2]
        Session.objects.filter(pk__in=list(ids)).update(expires_at=MOMENT)
        RefreshToken.objects.filter(session__expires_at=MOMENT).update(expires_at=MOMENT)
        calls: list[Callable[[], Any]] = [
            *[SessionService.purge_expired] * 3,
            *(partial(SessionService.refresh, token=pair.refresh) for pair in pairs),
            partial(SessionService.logout_all, user_id=user.pk),
            partial(ErasureService.erase_own, user_id=user.pk, password=PASSWORD),
        ]

        def act(number: int, calls: list[Callable[[], Any]] = calls) -> str:
            try:
                calls[number]()
            except AppException as error:
                return error.code
            return "done"

        assert set(at_once(len(calls), act)) <= {"done", "session_revoked", "validation_error", "token_invalid"}
        SessionService.purge_expired()
        assert not RefreshToken.objects.filter(expires_at__lte=datetime.now(UTC)).exists()
        assert not Session.objects.exists()
