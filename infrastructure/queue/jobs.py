"""What a worker does with a message: it runs the row that the message names, in one transaction with its outcome."""

import traceback
from collections.abc import Callable
from time import perf_counter
from typing import Final
from uuid import UUID

import structlog
from celery import Task, shared_task
from django.db import connection, transaction
from django.utils import timezone

from infrastructure import faults
from infrastructure.queue import publisher
from infrastructure.queue.models import OutboxRow, OutboxState

type Work = Callable[..., None]

log = structlog.get_logger("layerline.queue")

_names: Final[set[str]] = set()


def job(*, name: str) -> Callable[[Work], Task[[str], None]]:
    """Declare a function as the job that `outbox.enqueue(name, …)` asks for.

    The function gets the row's id as its first argument and the payload as keywords. What it writes to the database is
    committed together with the row's `done`, so it happens once. What it does elsewhere cannot be: if the worker dies
    after the mail server said 250 and before the commit, the mail is sent a second time, with the same Message-ID when
    that was made from the row's id.

    An exception is not passed to Celery, whose retries the broker would deliver again and again: it sets the row's next
    attempt. A worker that dies leaves the row `published`, and the message or the relay brings it back: at once, unless
    the job has cost several processes already.

    Args:
        name: `<slice>.<verb_and_object>`, such as `users.send_welcome_email`; it must stay while rows with it exist.

    Raises:
        ValueError: If another job has the name: Celery would keep one of them without a word.
    """
    if name in _names:
        raise ValueError(f"Two jobs are called {name!r}.")
    _names.add(name)

    def declare(work: Work) -> Task[[str], None]:
        def run(row_id: str) -> None:
            _run(UUID(row_id), work)

        run.__doc__ = work.__doc__
        return shared_task(name=name)(run)

    return declare


def names() -> frozenset[str]:
    """Return the name of every job whose module was imported."""
    return frozenset(_names)


class WorkerDiedError(Exception):
    """What is recorded for attempts that could not record anything themselves."""


def _run(row_id: UUID, work: Work) -> None:
    if _start(row_id):
        _finish(row_id, work)


def _start(row_id: UUID) -> bool:
    """Count the attempt in a transaction of its own, which stays if the process dies over the work.

    Returns:
        Whether there is anything to do.
    """
    with transaction.atomic(durable=True):
        row = _lock(row_id)
        if row is None:
            return False
        if row.killed_too_many_processes():
            row.mark_failed(WorkerDiedError(f"{row.attempts} attempts, the last without an outcome"), timezone.now())
            _record(row)
            return False
        row.mark_started(timezone.now())
        row.save()
    return True


def _finish(row_id: UUID, work: Work) -> None:
    with transaction.atomic(durable=True):
        row = _lock(row_id)
        if row is None:
            return
        user_id = str(row.user_id) if row.user_id else None
        with structlog.contextvars.bound_contextvars(
            request_id=row.request_id, user_id=user_id, job=row.name, job_id=str(row.id)
        ):
            _attempt(row, work)
        _record(row)


def _lock(row_id: UUID) -> OutboxRow | None:
    """Hold the row: a second message for it waits here until this transaction ends, and then finds the row done."""
    return OutboxRow.objects.runnable().select_for_update().filter(id=row_id).first()


def _record(row: OutboxRow) -> None:
    row.save()
    order_key = row.order_key
    if order_key is not None and row.state in {OutboxState.DONE, OutboxState.DEAD}:
        transaction.on_commit(lambda: publisher.publish_next(order_key), robust=True)


def _attempt(row: OutboxRow, work: Work) -> None:
    started = perf_counter()
    try:
        with transaction.atomic():
            work(row.id, **row.payload)
            # Deferred constraints would fail at the commit, where no outcome can be recorded any more.
            connection.check_constraints()
    except Exception as error:  # noqa: BLE001  # whatever a job raises is recorded in its row
        row.mark_failed(error, timezone.now())
        if row.attempts == 1 or row.state == OutboxState.DEAD:
            faults.met.send_robust(sender=OutboxRow, error=error)
        report = log.error if row.state == OutboxState.DEAD else log.warning
        # Where and not what: an exception's own text may hold what the job worked on.
        report("job_failed", error=row.last_error, attempts=row.attempts, places=_places(error))
    else:
        row.mark_done(timezone.now())
        log.info("job_done", attempts=row.attempts, duration_ms=round((perf_counter() - started) * 1_000, 1))


def _places(error: Exception) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
