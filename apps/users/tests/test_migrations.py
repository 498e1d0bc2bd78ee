import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django_celery_beat.models import PeriodicTask

from apps.users.models import User
from apps.users.tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def _migrate(name: str) -> None:
    MigrationExecutor(connection).migrate([("users", name)])


def test_the_trigger_goes_and_comes_with_its_migration() -> None:
    user = UserFactory.create()

    _migrate("0001_initial")
    User.objects.update(name="Ada")
    without = User.objects.get(pk=user.pk).row_version
    _migrate("0002_row_version")
    User.objects.update(name="Bob")

    assert (without, User.objects.get(pk=user.pk).row_version) == (1, 2)


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
