import pytest
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django_celery_beat.models import PeriodicTask

from apps.users.models import AuditEntry, User
from apps.users.tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def _migrate(name: str) -> None:
    MigrationExecutor(connection).migrate([("users", name)])


def _row_version(user: User) -> int:
    # No other column: later ones are not there yet.
    return User.objects.values_list("row_version", flat=True).get(pk=user.pk)


def test_the_trigger_goes_and_comes_with_its_migration() -> None:
    user = UserFactory.create()

    _migrate("0001_initial")
    User.objects.update(name="Ada")
    without = _row_version(user)
    _migrate("0002_row_version")
    User.objects.update(name="Bob")

    assert (without, _row_version(user)) == (1, 2)


def test_the_clean_up_is_scheduled_every_hour_once_and_left_as_somebody_edited_it() -> None:
    task = "users.clean_expired_tokens"
    PeriodicTask.objects.filter(task=task).delete()

    _migrate("0002_row_version")
    _migrate("0003_schedule_clean_up")
    row = PeriodicTask.objects.get(task=task)
    assert (row.interval.every, row.interval.period, row.enabled) == (3_600, "seconds", True)

    PeriodicTask.objects.filter(task=task).update(enabled=False)
    _migrate("0002_row_version")
    _migrate("0003_schedule_clean_up")
    assert not PeriodicTask.objects.get(task=task).enabled


def test_no_audit_entry_can_be_changed_and_none_deleted_by_the_way() -> None:
    entry = AuditEntry.objects.create(action="account.registered")

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        AuditEntry.objects.update(action="account.erased")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        AuditEntry.objects.all().delete()

    assert AuditEntry.objects.get() == entry
    assert AuditEntry.objects.get().action == "account.registered"
