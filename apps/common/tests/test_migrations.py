import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django_celery_beat.models import PeriodicTask

pytestmark = pytest.mark.django_db


def test_the_clean_up_of_idempotency_keys_is_scheduled_every_hour() -> None:
    task = "common.clean_idempotency_keys"
    PeriodicTask.objects.filter(task=task).delete()

    for name in ("0001_idempotency_keys", "0002_schedule_clean_up"):
        MigrationExecutor(connection).migrate([("common", name)])

    row = PeriodicTask.objects.get(task=task)
    assert (row.interval.every, row.interval.period, row.enabled) == (3_600, "seconds", True)
