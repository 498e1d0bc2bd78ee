import importlib
from datetime import timedelta

import pytest
from celery import current_app
from django.apps import apps
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks

from infrastructure.queue.schedule import seed_periodic

pytestmark = pytest.mark.django_db

LATEST = "0019_alter_periodictasks_options"


@pytest.fixture(autouse=True)
def _empty_schedule() -> None:
    PeriodicTask.objects.all().delete()
    IntervalSchedule.objects.all().delete()
    PeriodicTasks.objects.all().delete()


def seed(*, seconds: int) -> None:
    seed_periodic(apps, name="Tidy up", task="tests.tidy_up", every=timedelta(seconds=seconds))


def test_adds_a_task_that_is_dropped_when_its_next_firing_is_due() -> None:
    seed(seconds=90)
    task = PeriodicTask.objects.get()
    assert (task.name, task.task, task.enabled) == ("Tidy up", "tests.tidy_up", True)
    assert (task.interval.every, task.interval.period, task.expire_seconds) == (90, "seconds", 90)


def test_never_overwrites_what_somebody_edited() -> None:
    seed(seconds=90)
    PeriodicTask.objects.update(task="tests.other", enabled=False, expire_seconds=7)
    seed(seconds=60)
    task = PeriodicTask.objects.get()
    assert (task.task, task.enabled, task.expire_seconds, task.interval.every) == ("tests.other", False, 7, 90)


def test_uses_an_interval_that_is_there_even_twice() -> None:
    for _ in range(2):
        IntervalSchedule.objects.create(every=90, period="seconds")
    seed(seconds=90)
    assert IntervalSchedule.objects.count() == 2


def test_tells_a_beat_that_is_running() -> None:
    before = timezone.now()
    PeriodicTasks.objects.create(last_update=before - timedelta(days=1))
    # The models that a migration gets, which send none of the package's signals.
    historical = MigrationLoader(connection).project_state(("django_celery_beat", LATEST)).apps
    seed_periodic(historical, name="Tidy up", task="tests.tidy_up", every=timedelta(seconds=90))
    assert PeriodicTasks.objects.get().last_update >= before


def test_a_task_that_takes_over_is_due_as_the_one_that_did_its_work_was_edited() -> None:
    seed(seconds=90)
    PeriodicTask.objects.update(enabled=False, expire_seconds=7)

    seed_periodic(apps, name="Wipe", task="tests.wipe", every=timedelta(seconds=60), like="tests.tidy_up")

    task = PeriodicTask.objects.get(name="Wipe")
    assert (task.task, task.enabled, task.expire_seconds, task.interval.every) == ("tests.wipe", False, 7, 90)


def test_nothing_takes_over_from_a_task_that_somebody_took_out() -> None:
    seed_periodic(apps, name="Wipe", task="tests.wipe", every=timedelta(seconds=60), like="tests.tidy_up")

    assert not PeriodicTask.objects.exists()


@pytest.mark.parametrize(("edited", "left"), [(5, 60), (7, 7), (None, None)])
def test_a_relay_may_wait_for_a_minute_unless_somebody_said_otherwise(edited: int | None, left: int | None) -> None:
    importlib.import_module("infrastructure.queue.migrations.0002_seed_the_relay").seed(apps, None)
    PeriodicTask.objects.update(expire_seconds=edited)
    PeriodicTasks.objects.all().delete()

    importlib.import_module("infrastructure.queue.migrations.0005_let_relays_wait_longer").let_wait(apps, None)

    assert PeriodicTask.objects.get().expire_seconds == left
    assert PeriodicTasks.objects.exists() == (edited == 5)


def test_the_relay_is_seeded_every_five_seconds_under_its_celery_name() -> None:
    importlib.import_module("infrastructure.queue.migrations.0002_seed_the_relay").seed(apps, None)
    task = PeriodicTask.objects.get()
    current_app.loader.import_default_modules()
    assert (task.task, task.interval.every) == ("queue.relay_outbox", 5)
    assert task.task in current_app.tasks
