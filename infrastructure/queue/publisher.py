"""From the outbox to the broker: a row is claimed in the database first, so that nobody else sends it as well."""

from collections.abc import Sequence
from datetime import datetime
from math import inf
from time import monotonic
from typing import Any, Final, NamedTuple
from uuid import UUID

import structlog
from celery import current_app
from django.db import connection, transaction
from django.db.models.functions import Now
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from infrastructure import batches
from infrastructure.queue.models import OutboxQuerySet, OutboxRow, OutboxState

BATCH: Final = 500
# Messages in one queue.
CROWD: Final = 1_000
# Seconds. A broker that does not answer costs each try the socket timeout: the relay pays it, not every request.
BROKER_PAUSE: Final = 5.0
# What another relay holds is left to it. Nothing is locked beyond the statement, whatever becomes of this process.
_CLAIM: Final = """
WITH chosen (id, at) AS MATERIALIZED ({chosen} FOR UPDATE SKIP LOCKED)
UPDATE outbox SET state = 'published', published_at = statement_timestamp()
FROM chosen WHERE outbox.id = chosen.id
RETURNING outbox.id, outbox.name, chosen.at
"""

_BROKER_ERRORS: Final = (KombuError, RedisError, OSError)

log = structlog.get_logger("layerline.queue")


class Message(NamedTuple):
    """What is sent: the row's id and the job's name."""

    row_id: UUID
    name: str


class Claimed(NamedTuple):
    message: Message
    # Since when it waited, or was taken to be on its way.
    since: datetime


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


def broker_answers() -> bool:
    """Tell whether the broker would take a message now."""
    try:
        with current_app.connection_for_write() as connection:
            channel: Any = connection.ensure_connection(max_retries=1).default_channel
            channel.client.ping()
    except (KombuError, OSError, RedisError):
        return False
    return True


def publish(row_id: UUID, name: str) -> None:
    """Send one row that was just committed; what hinders it leaves the row to the relay."""
    if broker_pause.is_on():
        return
    row = OutboxRow.objects.waiting().in_order().filter(id=row_id)
    if row.update(state=OutboxState.PUBLISHED, published_at=Now()):
        _send([Message(row_id, name)])


def publish_next(order_key: str) -> None:
    """Send the row of this key whose turn has come, if there is one."""
    for row_id, name in OutboxRow.objects.first_of_key(order_key).values_list("id", "name"):
        publish(row_id, name)


def relay(*, seconds: float = inf) -> int:
    """Send every row that waits and, again, every one that got lost; stop when the broker takes no more.

    Any number of relays may run at once.

    Args:
        seconds: No batch is begun after these.

    Returns:
        The number of rows sent.
    """
    end = monotonic() + seconds
    return _relay(OutboxRow.objects.waiting().in_order(), "next_attempt_at", end) + _relay_lost(end)


def _relay(rows: OutboxQuerySet, column: str, end: float) -> int:
    """Send the rows batch by batch, the oldest by the column first."""
    total = 0
    rows = rows.order_by(column)
    while monotonic() < end and (claimed := _claim(rows, column)):
        if not _send([message for message, _ in claimed]):
            break
        total += len(claimed)
        # Older ones were passed over, since another of their order key comes first: looked at again and again, they
        # would cost more than what is sent.
        rows = rows.filter(**{f"{column}__gte": claimed[-1].since})
    return total


def _relay_lost(end: float) -> int:
    if not OutboxRow.objects.lost().exists():
        return 0
    try:
        waiting = _in_a_crowd()
    except _BROKER_ERRORS as error:
        log.warning("broker_away", error=type(error).__name__)
        return 0
    return _relay(OutboxRow.objects.lost(unless_waiting=waiting), "published_at", end)


def _in_a_crowd() -> list[str]:
    """Return the names of jobs whose queue is so long that those that count as lost are most likely in it.

    To send them again would make it longer, and again and again: workers that are too slow, or away, would fill Redis.
    """
    amqp = current_app.amqp
    with current_app.producer_or_acquire() as producer:
        crowded = {queue for queue in amqp.queues if producer.channel.queue_declare(queue).message_count >= CROWD}
    return [name for name in current_app.tasks if amqp.router.route({}, name)["queue"].name in crowded]


def _claim(rows: OutboxQuerySet, column: str) -> list[Claimed]:
    """Mark a batch as published before it is, and return it in its order.

    A process that dies between the two loses nothing: its rows are published again once they count as lost.
    """
    chosen, parameters = rows.values("id", column)[:BATCH].query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM.format(chosen=chosen), parameters)
        claimed = [Claimed(Message(row_id, name), since) for row_id, name, since in cursor.fetchall()]
    return sorted(claimed, key=lambda one: one.since)


def _send(messages: Sequence[Message]) -> bool:
    """Hand the messages to the broker in one round trip, and tell whether it took them; if not, they wait again."""
    taken = False
    try:
        with current_app.producer_or_acquire() as producer, producer.batch(max_size=BATCH):
            _put(producer, messages)
        taken = True
    except _BROKER_ERRORS as error:
        broker_pause.begin()
        log.warning("broker_away", error=type(error).__name__, waiting=len(messages))
    else:
        broker_pause.end()
    finally:
        if not taken:
            _take_back(messages)
    return taken


def _take_back(messages: Sequence[Message]) -> None:
    """Let the rows wait again.

    Where only the broker's answer was lost, a worker may be done with one or have it in hand: that one is left alone,
    and nobody waits here until it is done.
    """
    rows = OutboxRow.objects.filter(state=OutboxState.PUBLISHED, id__in=[message.row_id for message in messages])
    with transaction.atomic():
        OutboxRow.objects.filter(id__in=batches.hold(rows)).update(state=OutboxState.PENDING)


def _put(producer: Any, messages: Sequence[Message]) -> None:
    """Add to the producer's batch what `send_task` would send, without asking anew for each how such a task is sent."""
    amqp = current_app.amqp
    routes = {name: amqp.router.route({}, name) for name in {message.name for message in messages}}
    for row_id, name in messages:
        key = str(row_id)
        message = amqp.create_task_message(key, name, args=[key], argsrepr=repr([key]), kwargsrepr="{}")
        # Nothing is declared: a queue of Redis is there as soon as something is in it.
        amqp.send_task_message(producer, name, message, declare=[], **routes[name])
