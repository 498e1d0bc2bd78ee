import signal
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from celery import current_app
from django.db.models.functions import Now
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask, PeriodicTasks
from freezegun import freeze_time

from infrastructure.queue.beat import STAND_BY, LeasedScheduler, LeaseLostError, due_at
from infrastructure.queue.models import BeatLease, OutboxRow, OutboxState
from tests.infrastructure.queue import example_jobs  # noqa: F401  # declares the job that the schedule names
from tests.infrastructure.queue.servers import Broker, beat, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def task() -> PeriodicTask:
    """The whole schedule: a job that is due every second."""
    interval = IntervalSchedule.objects.create(every=1, period="seconds")
    task = PeriodicTask.objects.create(name="Note", task="tests.note", kwargs='{"text": "tick"}', interval=interval)
    PeriodicTask.objects.update(last_run_at=MOMENT)
    task.refresh_from_db()
    return task


@pytest.fixture
def scheduler(broker: Broker) -> LeasedScheduler:
    return LeasedScheduler(app=current_app)


def fired() -> list[datetime | None]:
    return list(OutboxRow.objects.filter(name="tests.note").order_by("due_at").values_list("due_at", flat=True))


def finish() -> None:
    OutboxRow.objects.update(state=OutboxState.DONE, done_at=Now())


def test_a_firing_is_a_row_with_its_due_time_and_payload_which_is_published(
    scheduler: LeasedScheduler, broker: Broker
) -> None:
    with freeze_time(MOMENT + timedelta(seconds=1.4)):
        scheduler.tick()

    row = OutboxRow.objects.get()
    assert (row.name, row.payload, row.due_at) == ("tests.note", {"text": "tick"}, MOMENT + timedelta(seconds=1))
    assert row.state == OutboxState.PUBLISHED
    assert len(broker.messages()) == 1


def test_the_schedule_remembers_the_firing_in_the_same_transaction(
    scheduler: LeasedScheduler, task: PeriodicTask
) -> None:
    with freeze_time(MOMENT + timedelta(seconds=1.4)):
        scheduler.tick()

    task.refresh_from_db()
    assert (task.last_run_at, task.total_run_count) == (MOMENT + timedelta(seconds=1.4), 1)


def test_of_two_schedulers_one_fires_and_the_other_stands_by(scheduler: LeasedScheduler, broker: Broker) -> None:
    second = LeasedScheduler(app=current_app)

    with freeze_time(MOMENT + timedelta(seconds=1)):
        scheduler.tick()
        assert second.tick() == STAND_BY

    assert fired() == [MOMENT + timedelta(seconds=1)]


def test_the_other_takes_over_when_the_first_has_stopped(scheduler: LeasedScheduler, broker: Broker) -> None:
    second = LeasedScheduler(app=current_app)
    with freeze_time(MOMENT + timedelta(seconds=1)):
        scheduler.tick()
    finish()

    scheduler.close()
    with freeze_time(MOMENT + timedelta(seconds=2)):
        second.tick()

    assert fired() == [MOMENT + timedelta(seconds=1), MOMENT + timedelta(seconds=2)]


def test_one_that_lost_its_lease_between_the_look_and_the_firing_records_nothing(
    scheduler: LeasedScheduler, task: PeriodicTask
) -> None:
    with freeze_time(MOMENT):
        scheduler.tick()
        (entry,) = scheduler.schedule.values()
    BeatLease.objects.update(holder=uuid4())

    with freeze_time(MOMENT + timedelta(seconds=1)), pytest.raises(LeaseLostError):
        scheduler.apply_entry(scheduler.reserve(entry))

    task.refresh_from_db()
    assert (task.last_run_at, task.total_run_count, fired()) == (MOMENT, 0, [])


def test_the_same_moment_is_recorded_once_even_by_two_holders(scheduler: LeasedScheduler) -> None:
    with freeze_time(MOMENT + timedelta(seconds=1)):
        scheduler.tick()
        finish()
        # As if the note of the firing had been lost.
        PeriodicTask.objects.update(last_run_at=MOMENT)
        BeatLease.objects.update(holder=None, expires_at=Now() - timedelta(seconds=1))
        LeasedScheduler(app=current_app).tick()

    assert fired() == [MOMENT + timedelta(seconds=1)]


def test_while_a_firing_is_unfinished_no_other_is_recorded(scheduler: LeasedScheduler, task: PeriodicTask) -> None:
    for seconds in (1, 2, 3):
        with freeze_time(MOMENT + timedelta(seconds=seconds)):
            scheduler.tick()
    assert fired() == [MOMENT + timedelta(seconds=1)]

    finish()
    with freeze_time(MOMENT + timedelta(seconds=4)):
        scheduler.tick()
    assert fired() == [MOMENT + timedelta(seconds=1), MOMENT + timedelta(seconds=4)]


def test_what_is_no_job_goes_to_the_broker_without_a_row(scheduler: LeasedScheduler, broker: Broker) -> None:
    PeriodicTask.objects.update(task="queue.relay_outbox", kwargs="{}")

    with freeze_time(MOMENT + timedelta(seconds=1)):
        scheduler.tick()

    assert not OutboxRow.objects.exists()
    assert len(broker.messages("maintenance")) == 1


def test_an_edit_acts_at_the_next_look(scheduler: LeasedScheduler, task: PeriodicTask) -> None:
    with freeze_time(MOMENT):
        scheduler.tick()
    PeriodicTask.objects.update(enabled=False)
    PeriodicTasks.update_changed()

    with freeze_time(MOMENT + timedelta(seconds=2)):
        scheduler.tick()

    assert fired() == []


def test_a_clock_that_is_set_back_keeps_nothing_from_being_due(scheduler: LeasedScheduler, broker: Broker) -> None:
    PeriodicTask.objects.update(task="queue.relay_outbox", kwargs="{}")
    hourly = IntervalSchedule.objects.create(every=3600, period="seconds")
    PeriodicTask.objects.create(name="Hourly", task="tests.note", interval=hourly, last_run_at=MOMENT)
    with freeze_time(MOMENT + timedelta(seconds=1)):
        scheduler.tick()
    assert len(broker.messages("maintenance")) == 1

    earlier = MOMENT - timedelta(hours=1)
    with freeze_time(earlier):
        scheduler.tick()
    for seconds in (1.1, 2.2):
        with freeze_time(earlier + timedelta(seconds=seconds)):
            scheduler.tick()

    assert len(broker.messages("maintenance")) == 3
    with freeze_time(earlier + timedelta(seconds=3601)):
        while scheduler.tick() == 0:
            pass
    assert fired() == [earlier + timedelta(hours=1)]


def test_what_another_beat_fired_by_a_clock_that_was_ahead_is_due_by_this_one(broker: Broker) -> None:
    PeriodicTask.objects.update(last_run_at=MOMENT + timedelta(days=1))
    scheduler = LeasedScheduler(app=current_app)

    with freeze_time(MOMENT):
        scheduler.tick()
    with freeze_time(MOMENT + timedelta(seconds=1)):
        scheduler.tick()

    assert fired() == [MOMENT + timedelta(seconds=1)]


def test_a_crontab_is_due_at_its_minute_whenever_it_is_looked_at(
    scheduler: LeasedScheduler, task: PeriodicTask
) -> None:
    crontab = CrontabSchedule.objects.create(minute="30", hour="*", timezone="UTC")
    PeriodicTask.objects.update(interval=None, crontab=crontab)
    with freeze_time(MOMENT):
        scheduler.tick()
        (entry,) = scheduler.schedule.values()

    with freeze_time(MOMENT + timedelta(minutes=42, seconds=7)):
        assert due_at(entry) == MOMENT + timedelta(minutes=30)


@pytest.mark.slow
def test_two_beats_fire_each_moment_once_while_one_is_frozen_thawed_and_the_other_killed(
    broker: Broker, tmp_path: Path
) -> None:
    PeriodicTask.objects.update(last_run_at=datetime.now(UTC))
    with beat(broker, tmp_path / "first.log") as first:
        wait_until(fired, seconds=30)
        with beat(broker, tmp_path / "second.log") as second:
            first.send_signal(signal.SIGSTOP)
            # Its lease runs out; no need to wait for that.
            BeatLease.objects.update(expires_at=Now() - timedelta(seconds=1))
            holder = BeatLease.objects.get().holder
            wait_until(lambda: BeatLease.objects.get().holder != holder, seconds=30)
            first.send_signal(signal.SIGCONT)
            before = _finished_firings()
            wait_until(lambda: len(_finished_firings()) > len(before), seconds=30)
            second.kill()
            BeatLease.objects.update(expires_at=Now() - timedelta(seconds=1))
            before = _finished_firings()
            wait_until(lambda: len(_finished_firings()) > len(before), seconds=30)

    counts = Counter(fired())
    assert len(counts) >= 3
    assert set(counts.values()) == {1}


def _finished_firings() -> list[datetime | None]:
    finish()
    return fired()
