"""What a worker does with a message: it runs the row that the message names, in one transaction with its outcome."""

import traceback
from collections.abc import Callable
from time import perf_counter
from typing import Final
from uuid import UUID

import structlog
from celery import Task, shared_task
from django.conf import settings
from django.db import connection, transaction

from infrastructure import faults, metrics
from infrastructure.queue import publisher
from infrastructure.queue.models import OutboxRow, OutboxState, database_now

type Work = Callable[..., None]

log = structlog.get_logger("layerline.queue")

_names: Final[set[str]] = set()
_FAILED_FIELDS: Final = ("state", "attempts", "started_at", "next_attempt_at", "first_failed_at", "last_error")


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


class UnknownJobError(Exception):
    """What is recorded for a row that was sent to workers of which none knew its name."""


def fail_unknown() -> int:
    """Let rows fail that workers refuse since no job has their name (any more), and return how many did.

    They are tried again like after any failure: with the next release the job may be back. Without this they would be
    sent every three minutes for ever, and hold up the rows of their order key.
    """
    lost = OutboxRow.objects.lost().exclude(name__in=_names).order_by("published_at")
    with transaction.atomic():
        rows = list(lost.select_for_update(skip_locked=True)[: publisher.BATCH])
        for row in rows:
            row.attempts += 1
            _fail(row, UnknownJobError(f"No job is called {row.name}."))
        OutboxRow.objects.bulk_update(rows, _FAILED_FIELDS)
    return len(rows)


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
            _fail(row, WorkerDiedError(f"{row.attempts} attempts, the last without an outcome"))
            _record(row)
            return False
        row.mark_started()
        row.save()
    return True


def _finish(row_id: UUID, work: Work) -> None:
    with transaction.atomic(durable=True):
        _be_let_go_if_frozen()
        row = _lock(row_id)
        if row is None:
            return
        user_id = str(row.user_id) if row.user_id else None
        with structlog.contextvars.bound_contextvars(
            request_id=row.request_id, user_id=user_id, job=row.name, job_id=str(row.id)
        ):
            _attempt(row, work)
        _record(row)


def _be_let_go_if_frozen() -> None:
    """Let the database end this transaction if it hears nothing for longer than a job may take.

    A machine that loses its power says no goodbye, and its locks would stay for hours. The broker returns its message
    after 60 s, and then the row is free. It also takes the place of a shorter time that somebody set for all, which
    would end each attempt after its mail was sent.
    """
    with connection.cursor() as cursor:
        milliseconds = str(1_000 * (settings.CELERY_TASK_TIME_LIMIT + 2))
        cursor.execute("SELECT set_config('idle_in_transaction_session_timeout', %s, true)", [milliseconds])


def _lock(row_id: UUID) -> OutboxRow | None:
    """Hold the row, unless somebody else does: a second message for it has nothing to do."""
    return OutboxRow.objects.runnable().select_for_update(skip_locked=True).filter(id=row_id).first()


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
        _fail(row, error)
    else:
        row.mark_done()
        log.info("job_done", attempts=row.attempts, duration_ms=round((perf_counter() - started) * 1_000, 1))
    outcome = "done" if row.state == OutboxState.DONE else "failed"
    metrics.worked(job=row.name, outcome=outcome, seconds=perf_counter() - started)


def _fail(row: OutboxRow, error: Exception) -> None:
    row.mark_failed(error, database_now())
    if row.attempts == 1 or row.state == OutboxState.DEAD:
        faults.met.send_robust(sender=OutboxRow, error=error)
    report = log.error if row.state == OutboxState.DEAD else log.warning
    # Where and not what: an exception's own text may hold what the job worked on.
    report("job_failed", error=row.last_error, attempts=row.attempts, places=_places(error))


def _places(error: Exception) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
