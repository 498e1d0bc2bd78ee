"""The transactional outbox: work is recorded with the change that wants it, and happens only if the change does."""

import json
from collections.abc import Mapping, Sequence
from uuid import UUID

import structlog
from django.db import connection, transaction

from infrastructure import origin
from infrastructure.queue import publisher
from infrastructure.queue.models import OutboxRow

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
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError(
            f"enqueue({name!r}) needs a transaction: call it in transaction.atomic(), beside the change it goes with."
        )
    _refuse_unless_json(name, payload)
    if order_key is not None:
        _take_turn(order_key)
    context = structlog.contextvars.get_contextvars()
    row = OutboxRow.objects.create(
        name=name,
        payload=payload,
        order_key=order_key,
        request_id=origin.request_id(),
        user_id=_uuid_or_none(context.get("user_id")),
    )
    # Robust: an error here must not fail a caller whose change is committed; the relay publishes what is left.
    transaction.on_commit(lambda: publisher.publish(row.id, row.name), robust=True)
    return row.id


def _refuse_unless_json(name: str, payload: Mapping[str, JSON]) -> None:
    try:
        same = json.loads(json.dumps(payload, allow_nan=False)) == payload
    except (TypeError, ValueError) as error:
        raise TypeError(f"The payload of {name!r} is not JSON: {error}") from None
    if not same:
        raise TypeError(f"The payload of {name!r} changes on its way through JSON: use lists and text keys.")


def _take_turn(order_key: str) -> None:
    """Wait until no other transaction that records for this key is open, so that commits follow creation times."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"outbox:{order_key}"])


def _uuid_or_none(value: object) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None
