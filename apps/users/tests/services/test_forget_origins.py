from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from apps.common.tests.races import at_once
from apps.users.models import Session
from apps.users.services import SessionService
from apps.users.tests.factories import UserFactory
from apps.users.tests.support import run_jobs
from infrastructure import batches
from infrastructure.queue.models import OutboxRow


def _sessions(count: int, *, days: float) -> list[Session]:
    """Make sessions that began so long ago, and that go on for a year."""
    now = timezone.now()
    user = UserFactory.create()
    made = Session.objects.bulk_create(
        Session(user=user, address="192.0.2.1", user_agent="curl/8.5", expires_at=now + timedelta(days=365))
        for _ in range(count)
    )
    Session.objects.filter(user=user).update(created_at=now - timedelta(days=days))
    return made


def _origin(session: Session) -> tuple[str | None, str]:
    session.refresh_from_db()
    return session.address, session.user_agent


@pytest.mark.django_db
def test_a_session_older_than_ninety_days_goes_on_without_telling_where_it_was_opened() -> None:
    [old], [young] = _sessions(1, days=90.01), _sessions(1, days=89.99)

    assert SessionService.forget_origins() == 1

    assert _origin(old) == (None, "")
    assert _origin(young) == ("192.0.2.1", "curl/8.5")
    assert old.ended_at is None


@pytest.mark.django_db
def test_what_is_forgotten_is_not_looked_at_again() -> None:
    _sessions(1, days=91)

    assert [SessionService.forget_origins() for _ in range(2)] == [1, 0]


@pytest.mark.django_db
def test_more_sessions_than_a_batch_are_left_to_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "SIZE", 2)
    _sessions(3, days=91)

    assert SessionService.forget_origins() == 2
    run_jobs()

    assert not Session.objects.exclude(address=None).exists()
    assert [(job.name, job.state) for job in OutboxRow.objects.all()] == [("users.clean_session_origins", "done")]


@pytest.mark.django_db(transaction=True)
def test_a_session_that_somebody_holds_is_left_for_the_next_run() -> None:
    held, free = _sessions(2, days=91)

    with transaction.atomic():
        Session.objects.select_for_update().get(pk=held.pk)
        assert at_once(1, lambda _: SessionService.forget_origins()) == [1]

    assert (_origin(held), _origin(free)) == (("192.0.2.1", "curl/8.5"), (None, ""))
    assert SessionService.forget_origins() == 1
