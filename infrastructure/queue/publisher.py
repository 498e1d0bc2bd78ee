"""From the outbox to the broker: a row is claimed in the database first, so that nobody else sends it as well."""

from collections.abc import Sequence
from time import monotonic
from typing import Final
from uuid import UUID

import structlog
from celery import current_app
from django.db import transaction
from django.db.models.functions import Now
from kombu.exceptions import KombuError

from infrastructure.queue.models import OutboxQuerySet, OutboxRow, OutboxState

BATCH: Final = 200
# Seconds. A broker that does not answer costs each try the socket timeout: the relay pays it, not every request.
BROKER_PAUSE: Final = 5.0

type Message = tuple[UUID, str]
"""What is sent: the row's id and the job's name."""

log = structlog.get_logger("layerline.queue")


class BrokerPause:
    """Remembers that the broker did not take a message a moment ago, for this process alone."""

    def __init__(self) -> None:
        self._until = 0.0

    def begin(self) -> None:
        self._until = monotonic() + BROKER_PAUSE

    def end(self) -> None:
        self._until = 0.0

    def is_on(self) -> bool:
        return monotonic() < self._until


broker_pause: Final = BrokerPause()


def publish(row_id: UUID, name: str) -> None:
    """Send one row that was just committed; what hinders it leaves the row to the relay."""
    if broker_pause.is_on():
        return
    row = OutboxRow.objects.waiting().in_order().filter(id=row_id)
    if row.update(state=OutboxState.PUBLISHED, published_at=Now()):
        _send([(row_id, name)])


def publish_next(order_key: str) -> None:
    """Send the row of this key whose turn has come, if there is one."""
    turn = OutboxRow.objects.waiting().in_order().filter(order_key=order_key)
    for row_id, name in turn.values_list("id", "name"):
        publish(row_id, name)


def relay() -> int:
    """Send every row that waits and, again, every one that got lost; stop when the broker takes no more.

    Any number of relays may run at once.

    Returns:
        The number of rows sent.
    """
    return _relay(OutboxRow.objects.waiting().in_order().order_by("next_attempt_at")) + _relay(
        OutboxRow.objects.lost().order_by("published_at")
    )


def _relay(rows: OutboxQuerySet) -> int:
    total = 0
    while messages := _claim(rows):
        sent = _send(messages)
        total += sent
        if sent < len(messages):
            break
    return total


def _claim(rows: OutboxQuerySet) -> list[Message]:
    """Mark a batch as published before it is, so that no network call is made inside the transaction.

    A process that dies between the two loses nothing: its rows are published again once they count as lost.
    """
    with transaction.atomic():
        messages = list(rows.select_for_update(skip_locked=True).values_list("id", "name")[:BATCH])
        OutboxRow.objects.filter(id__in=[row_id for row_id, _ in messages]).update(
            state=OutboxState.PUBLISHED, published_at=Now()
        )
    return messages


def _send(messages: Sequence[Message]) -> int:
    """Hand the messages to the broker in one round trip; those that it did not take wait for the relay again.

    Returns:
        The number of messages that the broker took.
    """
    sent = 0
    try:
        with current_app.producer_or_acquire() as producer, producer.batch(max_size=BATCH):
            for row_id, name in messages:
                current_app.send_task(name, args=[str(row_id)], task_id=str(row_id), producer=producer)
        sent = len(messages)
    except (KombuError, OSError) as error:
        broker_pause.begin()
        log.warning("broker_away", error=type(error).__name__, waiting=len(messages) - sent)
    else:
        broker_pause.end()
    finally:
        if unsent := [row_id for row_id, _ in messages[sent:]]:
            # When only the broker's answer was lost, a worker may have the row, and even be done with it.
            OutboxRow.objects.filter(id__in=unsent, state=OutboxState.PUBLISHED).update(state=OutboxState.PENDING)
    return sent
