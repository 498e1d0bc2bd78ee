"""How PostgreSQL finds rows where 100,000 wait among twice as many: by an index, whatever is asked."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from infrastructure.queue import jobs, outbox, publisher
from infrastructure.queue.models import OutboxRow, OutboxState
from tests.infrastructure.queue.servers import Broker

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

# Of four rows one waits freely, one behind the first of its key, which is stuck, and two were done an hour ago.
_FILL: Final = """
INSERT INTO outbox (id, name, payload, order_key, state, attempts, last_error, request_id,
                    created_at, next_attempt_at, published_at, done_at)
SELECT gen_random_uuid(), 'tests.note', '{}', CASE number % 4 WHEN 1 THEN 'stuck' END,
       CASE WHEN number % 4 < 2 THEN 'pending' ELSE 'done' END, 0, '', '',
       moment, moment, moment, CASE WHEN number % 4 >= 2 THEN moment END
FROM generate_series(1, 200000) AS number,
     LATERAL (SELECT now() - interval '1 hour' + number * interval '1 ms') AS made (moment)
"""


@pytest.fixture
def waiting(broker: Broker) -> UUID:
    """One of 100,000 rows that wait; half of them behind a row that a worker has in hand."""
    then = timezone.now() - timedelta(hours=2)
    stuck = {"order_key": "stuck", "state": OutboxState.PUBLISHED, "published_at": timezone.now()}
    OutboxRow.objects.create(name="tests.note", payload={}, created_at=then, **stuck)
    with connection.cursor() as cursor:
        cursor.execute(_FILL)
        cursor.execute("ANALYZE outbox")
    return OutboxRow.objects.filter(state=OutboxState.PENDING, order_key=None)[0].pk


def _statements(call: Callable[[], Any]) -> list[str]:
    """Return what the call asks of the table; what it does there is taken back."""
    with CaptureQueriesContext(connection) as captured, transaction.atomic():
        call()
        transaction.set_rollback(True)
    return [query["sql"] for query in captured if "outbox" in query["sql"]]


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from _nodes(inner)


def _plan(sql: str) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}")
        (answer,) = cursor.fetchone()
    (explained,) = json.loads(answer) if isinstance(answer, str) else answer
    return list(_nodes(explained["Plan"]))


@pytest.mark.layers_off("what is published here is taken back with its transaction")
def test_no_statement_reads_the_whole_table_or_compares_waiting_rows_with_each_other(waiting: UUID) -> None:
    rows = OutboxRow.objects
    calls: dict[str, Callable[[], Any]] = {
        "claim": lambda: publisher._claim(rows.waiting().in_order().order_by("next_attempt_at"), "next_attempt_at"),
        "claim lost": lambda: publisher._claim(rows.lost().order_by("published_at"), "published_at"),
        "publish": lambda: publisher.publish(waiting, "tests.note"),
        "publish next": lambda: publisher.publish_next("stuck"),
        "start": lambda: jobs._lock(waiting),
        "enqueue": lambda: outbox.enqueue("tests.note", {}, order_key="stuck"),
        "firing": lambda: outbox.enqueue_firing("tests.tick", {}, due_at=timezone.now()),
        "replay": lambda: outbox.replay([waiting]),
        "discard": lambda: outbox.discard([waiting]),
        "purge": outbox.purge,
    }
    bad: list[str] = []
    for name, call in calls.items():
        statements = _statements(call)
        assert statements, name
        for sql in statements:
            nodes = _plan(sql)
            whole = any(node["Node Type"] == "Seq Scan" and node["Relation Name"] == "outbox" for node in nodes)
            compared = any(node.get("Join Type") in {"Anti", "Semi"} for node in nodes)
            bad += [f"{name}: {sql}"] if whole or compared else []
    assert bad == []
