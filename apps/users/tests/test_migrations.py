import pytest
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django_celery_beat.models import CrontabSchedule, PeriodicTask

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


NEW = {
    "users.clean_session_origins",
    "users.clean_audit_trail",
    "users.clean_former_addresses",
    "users.clean_mfa_challenges",
}


def _split_the_clean_up() -> list[PeriodicTask]:
    PeriodicTask.objects.filter(task__in=NEW).delete()
    _migrate("0008_audit_by_request")
    _migrate("0009_schedule_each_clean_up")
    return list(PeriodicTask.objects.filter(task__in=NEW))


def test_what_one_clean_up_did_is_scheduled_as_that_one_was_edited() -> None:
    daily = CrontabSchedule.objects.create(minute="7", hour="3")
    PeriodicTask.objects.filter(task="users.clean_expired_tokens").delete()
    PeriodicTask.objects.create(name="Ours", task="users.clean_expired_tokens", crontab=daily, enabled=False)

    tasks = _split_the_clean_up()

    assert {task.task for task in tasks} == NEW
    assert {(task.crontab, task.interval, task.enabled) for task in tasks} == {(daily, None, False)}


def test_what_one_clean_up_did_is_not_scheduled_where_somebody_took_that_one_out() -> None:
    PeriodicTask.objects.filter(task="users.clean_expired_tokens").delete()

    assert _split_the_clean_up() == []


def test_what_is_scheduled_by_the_name_already_is_left_as_it_is() -> None:
    PeriodicTask.objects.filter(task="users.clean_audit_trail").delete()
    _migrate("0002_row_version")
    _migrate("0009_schedule_each_clean_up")
    PeriodicTask.objects.filter(task="users.clean_audit_trail").update(enabled=False)
    _migrate("0008_audit_by_request")
    _migrate("0009_schedule_each_clean_up")

    row = PeriodicTask.objects.get(task="users.clean_audit_trail")
    assert (row.interval.every, row.interval.period, row.enabled) == (3_600, "seconds", False)


def test_no_audit_entry_can_be_changed_and_none_deleted_by_the_way() -> None:
    entry = AuditEntry.objects.create(action="account.registered")

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        AuditEntry.objects.update(action="account.erased")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        AuditEntry.objects.all().delete()

    assert AuditEntry.objects.get() == entry
    assert AuditEntry.objects.get().action == "account.registered"
