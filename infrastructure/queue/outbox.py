"""The transactional outbox: work is recorded with the change that wants it, and happens only if the change does."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.db.models import Max, Min
from django.db.models.functions import Now

from infrastructure import batches, origin
from infrastructure.queue import publisher
from infrastructure.queue.models import OutboxQuerySet, OutboxRow, OutboxState, database_now

# Ids fit. The table is no store for contents, and each state of a row is a copy of it.
PAYLOAD_BYTES: Final = 16 * 1024
# By an admin's request; what is more goes out with the next relay.
PUBLISHED_DIRECTLY: Final = 100

type JSON = str | int | float | bool | Sequence[JSON] | Mapping[str, JSON] | None


def enqueue(name: str, payload: Mapping[str, JSON], *, order_key: str | None = None) -> UUID:
    """Record a job in the current transaction; after the commit it is published at once, or by the relay if that fails.

    The caller is never failed by a broker that is away, and delayed by less than a second.

    Args:
        name: The name that the job was declared with.
        payload: The job's keyword arguments. Ids only: it stays in the table, where the admin can read it.
        order_key: Jobs of one key run one after the other, in the order in which they were recorded.

    Returns:
        The row's id, which the job gets as its first argument.

    Raises:
        TransactionManagementError: Outside a transaction, where the job could be lost or come without its change.
        TypeError: If the payload would not come back from JSON as it is.
        ValueError: If it is larger than PAYLOAD_BYTES.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError(
            f"enqueue({name!r}) needs a transaction: call it in transaction.atomic(), beside the change it goes with."
        )
    _refuse_unless_json(name, payload)
    context = structlog.contextvars.get_contextvars()
    row = OutboxRow(
        name=name,
        payload=payload,
        order_key=order_key,
        request_id=origin.request_id(),
        user_id=_uuid_or_none(context.get("user_id")),
    )
    if order_key is not None:
        _take_turn(order_key)
        row.created_at = _last_place(order_key)
    row.save(force_insert=True)
    # Robust: an error here must not fail a caller whose change is committed; the relay publishes what is left.
    transaction.on_commit(lambda: publisher.publish(row.id, row.name), robust=True)
    return row.id


def enqueue_firing(name: str, payload: Mapping[str, JSON], *, due_at: datetime) -> None:
    """Record that a periodic job is due, once for each moment however many schedulers say so.

    While an earlier firing with the same payload is unfinished nothing is recorded: it does the work of this one too,
    and a worker that was away for a day does not meet a heap of firings.
    """
    row = OutboxRow(name=name, payload=payload, due_at=due_at)
    if OutboxRow.objects.unfinished().filter(name=name, payload=payload, due_at__isnull=False).exists():
        return
    OutboxRow.objects.bulk_create([row], ignore_conflicts=True)
    transaction.on_commit(lambda: publisher.publish(row.id, row.name), robust=True)


def replay(ids: Iterable[UUID]) -> int:
    """Let pending and dead rows run as soon as possible, as if they had never failed; return how many there were.

    A dead one becomes the last of its order key: what came after it has had its turn, or has it now. What a worker or
    somebody else holds at this moment is left alone.
    """
    rows = OutboxRow.objects.filter(id__in=ids, state__in=[OutboxState.PENDING, OutboxState.DEAD])
    with transaction.atomic():
        held = rows.filter(id__in=batches.hold(rows))
        dead = held.filter(state=OutboxState.DEAD)
        for order_key in _keys(dead):
            if _take_turn(order_key, wait=False):
                dead.filter(order_key=order_key).update(created_at=_last_place(order_key))
            else:
                held = held.exclude(state=OutboxState.DEAD, order_key=order_key)
        found = list(held.order_by("created_at", "id").values_list("id", "name"))
        OutboxRow.objects.filter(id__in=[row_id for row_id, _ in found]).update(
            state=OutboxState.PENDING, next_attempt_at=Now(), first_failed_at=None, attempts=0
        )
        for row_id, name in found[:PUBLISHED_DIRECTLY]:
            transaction.on_commit(partial(publisher.publish, row_id, name), robust=True)
    return len(found)


def discard(ids: Iterable[UUID]) -> int:
    """Give rows up that wait, so that they are not run any more; return how many there were.

    What is at the broker already runs. The next row of an order key has its turn.
    """
    rows = OutboxRow.objects.filter(id__in=ids, state=OutboxState.PENDING)
    with transaction.atomic():
        held = OutboxRow.objects.filter(id__in=batches.hold(rows))
        order_keys = _keys(held)
        count = held.update(state=OutboxState.DEAD, last_error="Discarded in the admin site.")
        for order_key in order_keys:
            transaction.on_commit(partial(publisher.publish_next, order_key), robust=True)
    return count


def purge() -> int:
    """Delete a batch of rows that are over for long, leave the next to a job, and return how many went."""
    with transaction.atomic():
        done = batches.delete(OutboxRow.objects.done_for_long(), oldest="done_at")
        # One that is replayed at this moment is dead no longer when its turn comes, and stays.
        dead = batches.delete(OutboxRow.objects.dead_for_long(), oldest="next_attempt_at")
        if done.more or dead.more:
            enqueue("queue.clean_outbox", {})
    return done.count + dead.count


@dataclass(frozen=True, slots=True)
class Depth:
    """What is in the outbox and not done.

    Args:
        oldest: The seconds for which the oldest row that is due has waited for the broker; 0 if none does.
    """

    pending: int
    published: int
    dead: int
    oldest: float


def depth() -> Depth:
    """Return how much is waiting; three counts on indexes that hold nothing else."""
    count = {
        state: OutboxRow.objects.filter(state=state).count()
        for state in (OutboxState.PENDING, OutboxState.PUBLISHED, OutboxState.DEAD)
    }
    oldest = OutboxRow.objects.waiting().aggregate(age=Now() - Min("next_attempt_at"))["age"]
    return Depth(
        pending=count[OutboxState.PENDING],
        published=count[OutboxState.PUBLISHED],
        dead=count[OutboxState.DEAD],
        oldest=oldest.total_seconds() if oldest else 0.0,
    )


def _keys(rows: OutboxQuerySet) -> set[str]:
    return {order_key for order_key in rows.values_list("order_key", flat=True) if order_key is not None}


def _refuse_unless_json(name: str, payload: Mapping[str, JSON]) -> None:
    try:
        text = json.dumps(payload, allow_nan=False)
        same = json.loads(text) == payload
    except (TypeError, ValueError) as error:
        raise TypeError(f"The payload of {name!r} is not JSON: {error}") from None
    if not same:
        raise TypeError(f"The payload of {name!r} changes on its way through JSON: use lists and text keys.")
    if len(text) > PAYLOAD_BYTES:
        raise ValueError(f"The payload of {name!r} is larger than {PAYLOAD_BYTES:,} bytes: record ids, not contents.")


def _take_turn(order_key: str, *, wait: bool = True) -> bool:
    """Let no other transaction record for this key until this one ends, so that commits follow creation times.

    Returns:
        Whether it is so: if not told to wait, another one may be recording.
    """
    take = "pg_advisory_xact_lock" if wait else "pg_try_advisory_xact_lock"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {take}(hashtextextended(%s, 0))", [f"outbox:{order_key}"])
        (taken,) = cursor.fetchone()
    return wait or bool(taken)


def _last_place(order_key: str) -> datetime:
    """Return a time of creation that makes a row the last of its key, even if the database's clock was set back."""
    last: datetime | None = (
        OutboxRow.objects.unfinished().filter(order_key=order_key).aggregate(last=Max("created_at"))["last"]
    )
    now = database_now()
    return max(now, last + timedelta(microseconds=1)) if last else now


def _uuid_or_none(value: object) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None
