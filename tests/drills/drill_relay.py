"""What a long absence of the broker leaves behind, relayed by two at once."""

import time
from collections import Counter

import pytest
from django.db import connections

from infrastructure.queue import publisher
from infrastructure.queue.models import OutboxRow
from tests.drills.scene import Figures
from tests.infrastructure.queue.servers import Broker
from tests.infrastructure.support import at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

ROWS = 10_000
KEYS = 100


def test_two_relays(broker: Broker, figures: Figures) -> None:
    """Ten thousand rows are relayed by two relays at once, and of a hundred order keys the first row each."""
    rows = [OutboxRow(name="tests.note", payload={"text": str(number)}) for number in range(ROWS)]
    keyed = [OutboxRow(name="tests.note", payload={}, order_key=str(number % KEYS)) for number in range(10 * KEYS)]
    OutboxRow.objects.bulk_create([*rows, *keyed], batch_size=1_000)
    started = time.monotonic()
    sent = at_once(2, _relay)
    took = time.monotonic() - started
    figures["rows a second"] = round(sum(sent) / took)
    published = OutboxRow.objects.filter(state="published")
    keys = Counter(published.exclude(order_key=None).values_list("order_key", flat=True))
    figures["rows of each key"] = max(keys.values())
    assert sum(sent) == len(broker.messages()) == published.count() == ROWS + KEYS
    assert keys == dict.fromkeys(map(str, range(KEYS)), 1)


def _relay(_: int) -> int:
    try:
        return publisher.relay()
    finally:
        connections.close_all()
