from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from pytest_django import Settings

from apps.users.models import AuditEntry
from apps.users.services import AuditService
from apps.users.tests.support import run_jobs
from infrastructure import batches
from infrastructure.queue.models import OutboxRow

pytestmark = pytest.mark.django_db


def _entries(count: int, *, days: float) -> list[AuditEntry]:
    moment = timezone.now() - timedelta(days=days)
    return AuditEntry.objects.bulk_create(AuditEntry(action="updated", created_at=moment) for _ in range(count))


def test_only_what_is_older_than_ninety_days_goes() -> None:
    _entries(3, days=90.01)
    [young] = _entries(1, days=89.99)

    assert AuditService.purge_old() == 3

    assert AuditEntry.objects.get() == young


def test_how_long_entries_stay_is_a_setting(settings: Settings) -> None:
    settings.AUDIT_RETENTION = timedelta(days=1)
    _entries(1, days=2)

    assert AuditService.purge_old() == 1


def test_more_entries_than_a_batch_are_left_to_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "SIZE", 2)
    _entries(3, days=91)

    assert AuditService.purge_old() == 2
    run_jobs()

    assert not AuditEntry.objects.exists()
    assert [(job.name, job.state) for job in OutboxRow.objects.all()] == [("users.clean_audit_trail", "done")]


@pytest.mark.django_db(transaction=True)
def test_after_a_purge_entries_are_as_safe_as_before() -> None:
    _entries(1, days=91)
    [young] = _entries(1, days=1)

    with transaction.atomic():
        AuditService.purge_old()
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            young.delete()

    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        young.delete()
    assert AuditEntry.objects.get() == young
