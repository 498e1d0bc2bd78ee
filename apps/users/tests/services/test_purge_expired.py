from datetime import UTC, datetime, timedelta

import pytest
from freezegun import freeze_time

from apps.users.models import RefreshToken, Session
from apps.users.services import SessionService, UserService, sessions
from apps.users.tests.factories import PASSWORD, UserFactory
from apps.users.tests.support import signed_in

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


@pytest.mark.layers_off("one statement for each batch, and the batches are tiny here")
def test_more_rows_than_a_batch_go_in_one_run() -> None:
    user = UserFactory.create()
    past = datetime.now(UTC) - timedelta(days=1)
    Session.objects.bulk_create(Session(user=user, expires_at=past) for _ in range(sessions.PURGE_BATCH + 1))

    assert SessionService.purge_expired() == sessions.PURGE_BATCH + 1
    assert not Session.objects.exists()


def test_a_chain_of_tokens_goes_although_each_names_its_successor() -> None:
    with freeze_time(MOMENT):
        credentials = signed_in(UserFactory.create())
        for _ in range(3):
            credentials = SessionService.refresh(token=credentials.refresh)
    with freeze_time(MOMENT + timedelta(days=8)):
        assert SessionService.purge_expired() == 4
