"""Beat's scheduler: it ticks only while it holds the lease, and each firing of a job is a row of the outbox."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import structlog
from celery import schedules
from celery.utils.time import maybe_make_aware
from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import F
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from infrastructure.queue import jobs, outbox
from infrastructure.queue.models import BeatLease

# Seconds between two looks at a lease that another beat holds, and after a fault.
STAND_BY: Final = 5.0

# By which the clocks of two beats may differ.
SKEW: Final = timedelta(seconds=10)

log = structlog.get_logger("layerline.queue")


class LeaseLostError(Exception):
    """Another beat may have taken over: this one was frozen, or cut off, for longer than its lease."""


class LeasedScheduler(DatabaseScheduler):
    """The schedule of the database, fired by one beat however many run.

    A firing and the note that it was made are one transaction, in which the lease is confirmed: a beat that was frozen
    and wakes up when another has taken over records nothing. Two rows for one firing cannot be, since a row is unique
    by job and due time. What is no job, such as the relay of the outbox itself, is sent to the broker as it is.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._holder = uuid4()
        self._holding = False
        self._looked_at = timezone.now()
        super().__init__(*args, **kwargs)
        # The names of all jobs are known only once their modules are imported.
        self.app.loader.import_default_modules()

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Fire what is due; return the seconds until the next look."""
        try:
            self._look_at_the_clock()
            if not self._hold():
                return STAND_BY
            return float(super().tick(*args, **kwargs))
        except (DatabaseError, InterfaceError, LeaseLostError) as error:
            log.warning("beat_paused", error=type(error).__name__)
            self._read_afresh()
            return STAND_BY

    def all_as_schedule(self) -> dict[str, ModelEntry]:
        """Read the schedule; what was fired in the future counts from now on.

        A clock that is set back by an hour would keep everything from being due for an hour, the relay included.
        """
        entries: dict[str, ModelEntry] = super().all_as_schedule()
        now = timezone.now()
        for entry in entries.values():
            if _last_run(entry) > now + SKEW:
                entry.last_run_at = now
                if self._holding:
                    # Or it would count anew at each reading, which comes every five minutes.
                    PeriodicTask.objects.filter(pk=entry.model.pk).update(last_run_at=now)
        return entries

    def reserve(self, entry: ModelEntry) -> ModelEntry:
        """Return the entry as it is after its firing; `apply_entry` writes that down together with the firing."""
        return next(entry)

    def apply_entry(self, entry: ModelEntry, producer: Any = None) -> None:
        with transaction.atomic():
            if not BeatLease.objects.confirm(self._holder):
                raise LeaseLostError
            PeriodicTask.objects.filter(pk=entry.model.pk).update(
                last_run_at=entry.model.last_run_at, total_run_count=F("total_run_count") + 1
            )
            if entry.task in jobs.names():
                outbox.enqueue_firing(entry.task, entry.kwargs, due_at=due_at(entry))
        if entry.task not in jobs.names():
            super().apply_entry(entry, producer=producer)

    def close(self) -> None:
        """Leave the lease to whoever comes next."""
        super().close()
        BeatLease.objects.release(self._holder)

    def _hold(self) -> bool:
        held = BeatLease.objects.take(self._holder)
        if held and not self._holding:
            log.info("beat_leads")
            # Another may have fired since this one last looked.
            self._read_afresh()
        self._holding = held
        return held

    def _look_at_the_clock(self) -> None:
        now = timezone.now()
        if now < self._looked_at - SKEW:
            log.warning("clock_set_back", seconds=round((self._looked_at - now).total_seconds()))
            self._read_afresh()
        self._looked_at = now

    def _read_afresh(self) -> None:
        self._initial_read = True
        self._heap = None


def _last_run(entry: ModelEntry) -> datetime:
    last: datetime = maybe_make_aware(entry.last_run_at)
    return last


def due_at(entry: ModelEntry) -> datetime:
    """Return the moment for which the entry is due, the same for every beat that reads the schedule."""
    last = _last_run(entry)
    match entry.schedule:
        case schedules.crontab() as crontab:
            start, ends_in, _ = crontab.remaining_delta(last)
            due: datetime = start + ends_in
        case schedules.schedule() as interval:
            due = last + timedelta(seconds=interval.seconds)
        case _:
            due = timezone.now().replace(microsecond=0)
    return due
