import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from threading import Barrier
from uuid import UUID

import pytest
from celery import current_app
from django.db import connection, transaction
from django.utils import timezone

from infrastructure.queue import outbox, publisher
from infrastructure.queue.models import OutboxRow, OutboxState
from infrastructure.queue.tasks import relay_outbox
from tests.infrastructure.queue import example_jobs
from tests.infrastructure.queue.conftest import use_broker
from tests.infrastructure.queue.servers import Broker, free_port

pytestmark = pytest.mark.django_db(transaction=True)


def row(
    *,
    age: timedelta = timedelta(),
    state: OutboxState = OutboxState.PENDING,
    order_key: str | None = None,
    name: str = "tests.note",
) -> UUID:
    """Put in a row as it stands after this time."""
    then = timezone.now() - age
    made = OutboxRow.objects.create(
        name=name,
        payload={"text": "hello"},
        state=state,
        order_key=order_key,
        next_attempt_at=then,
        published_at=then if state is not OutboxState.PENDING else None,
        done_at=then if state is OutboxState.DONE else None,
    )
    return made.id


def sent(broker: Broker, queue: str = "celery") -> list[UUID]:
    return [UUID(json.loads(message)["headers"]["id"]) for message in broker.messages(queue)]


@pytest.fixture
def parallel() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4, thread_name_prefix="relay") as pool:
        yield pool


class TestRelay:
    def test_sends_what_waits_and_is_due_the_oldest_first(self, broker: Broker) -> None:
        later = row(age=timedelta(seconds=-30))
        second = row(age=timedelta(seconds=1))
        first = row(age=timedelta(seconds=2))
        assert publisher.relay() == 2
        assert sent(broker) == [first, second]
        assert OutboxRow.objects.get(id=first).state == OutboxState.PUBLISHED
        assert OutboxRow.objects.get(id=later).state == OutboxState.PENDING

    def test_sends_again_what_nobody_finished_within_180_seconds(self, broker: Broker) -> None:
        lost = row(age=timedelta(seconds=181), state=OutboxState.PUBLISHED)
        row(age=timedelta(seconds=175), state=OutboxState.PUBLISHED)
        assert publisher.relay() == 1
        assert publisher.relay() == 0
        assert sent(broker) == [lost]

    def test_leaves_finished_rows_alone(self, broker: Broker) -> None:
        row(age=timedelta(days=1), state=OutboxState.DONE)
        row(age=timedelta(days=1), state=OutboxState.DEAD)
        assert publisher.relay() == 0
        assert broker.messages() == []

    def test_stops_at_once_when_the_broker_is_away_and_delivers_when_it_is_back(
        self, broker: Broker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keys = {row() for _ in range(20)}
        with broker.frozen():
            started = time.monotonic()
            assert publisher.relay() == 0
            assert time.monotonic() - started < 1.5
        assert set(OutboxRow.objects.values_list("state", flat=True)) == {OutboxState.PENDING}
        relay_outbox()
        assert set(sent(broker)) == keys

    def test_takes_back_only_what_nobody_finished_meanwhile(
        self, broker: Broker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        done, open_ = row(), row()
        use_broker(f"redis://127.0.0.1:{free_port()}/0", monkeypatch)
        claimed = publisher._claim(OutboxRow.objects.waiting(), "next_attempt_at")
        OutboxRow.objects.filter(id=done).update(state=OutboxState.DONE, done_at=timezone.now())
        assert not publisher._send([message for message, _ in claimed])
        assert OutboxRow.objects.get(id=done).state == OutboxState.DONE
        assert OutboxRow.objects.get(id=open_).state == OutboxState.PENDING

    def test_takes_back_nothing_that_a_worker_has_in_hand_and_does_not_wait_for_it(
        self, broker: Broker, monkeypatch: pytest.MonkeyPatch, parallel: ThreadPoolExecutor
    ) -> None:
        in_hand, free = row(), row()
        use_broker(f"redis://127.0.0.1:{free_port()}/0", monkeypatch)
        claimed = publisher._claim(OutboxRow.objects.waiting(), "next_attempt_at")

        def send() -> bool:
            try:
                return publisher._send([message for message, _ in claimed])
            finally:
                connection.close()

        with transaction.atomic():
            OutboxRow.objects.select_for_update().get(pk=in_hand)
            assert not parallel.submit(send).result(timeout=10)
        assert OutboxRow.objects.get(id=in_hand).state == OutboxState.PUBLISHED
        assert OutboxRow.objects.get(id=free).state == OutboxState.PENDING

    def test_does_not_make_a_long_queue_longer_for_an_hour(
        self, broker: Broker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(publisher, "CROWD", 2)
        recent, old = (row(age=timedelta(minutes=age), state=OutboxState.PUBLISHED) for age in (59, 61))
        mail = row(age=timedelta(minutes=59), state=OutboxState.PUBLISHED, name="users.send_verification")
        with closing(broker.client) as client:
            client.lpush("celery", *[json.dumps({"headers": {"id": UUID(int=0).hex}})] * 2)
            publisher.relay()
            assert sent(broker) == [UUID(int=0), UUID(int=0), old]
            assert sent(broker, "mail") == [mail]
            client.delete("celery")
            publisher.relay()
            assert sent(broker) == [recent]

    def test_sends_nothing_again_while_nobody_knows_how_long_the_queues_are(
        self, broker: Broker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lost = row(age=timedelta(minutes=4), state=OutboxState.PUBLISHED)
        before = OutboxRow.objects.values().get()
        use_broker(f"redis://127.0.0.1:{free_port()}/0", monkeypatch)
        assert publisher.relay() == 0
        assert OutboxRow.objects.values().get(pk=lost) == before

    def test_sends_no_row_twice_when_four_run_at_once(self, broker: Broker, parallel: ThreadPoolExecutor) -> None:
        then = timezone.now()
        rows = [OutboxRow(name="tests.note", payload={}, next_attempt_at=then) for _ in range(1_000)]
        OutboxRow.objects.bulk_create(rows)
        barrier = Barrier(4)

        def relay() -> int:
            barrier.wait()
            try:
                return publisher.relay()
            finally:
                connection.close()

        counts = [relaying.result() for relaying in [parallel.submit(relay) for _ in range(4)]]
        assert sum(counts) == 1_000
        assert sorted(sent(broker)) == sorted(made.id for made in rows)

    def test_begins_no_batch_after_its_time(self, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(publisher, "BATCH", 2)
        for _ in range(3):
            row()
        assert publisher.relay(seconds=0) == 0
        assert publisher.relay(seconds=60) == 3

    def test_sends_the_message_that_celery_itself_would_send(self, broker: Broker) -> None:
        # Of a name that Celery does not know: to others it adds their time limits, which the worker knows as well.
        key = OutboxRow.objects.create(name="tests.elsewhere", payload={}).pk
        publisher.relay()
        current_app.send_task("tests.elsewhere", args=[str(key)], task_id=str(key))
        ours, celerys = (json.loads(message) for message in broker.messages())
        for message in (ours, celerys):
            # There are no results and no answers, and each delivery has a number.
            del message["headers"]["ignore_result"]
            del message["properties"]["reply_to"], message["properties"]["delivery_tag"]
        assert ours == celerys


class TestOrderKey:
    def test_of_a_key_that_is_stuck_holds_nobody_else_up(self, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(publisher, "BATCH", 2)
        row(age=timedelta(hours=2), order_key="stuck", state=OutboxState.PUBLISHED)
        OutboxRow.objects.update(published_at=timezone.now())
        for _ in range(5):
            row(age=timedelta(hours=1), order_key="stuck")
        free = [row(age=timedelta(seconds=seconds)) for seconds in (3, 2, 1)]
        assert publisher.relay() == 3
        assert sent(broker) == free

    def test_holds_the_next_row_back_until_the_one_before_is_done(self, broker: Broker) -> None:
        with transaction.atomic():
            first, second, third = (
                outbox.enqueue("tests.note", {"text": text}, order_key="account:1") for text in ("1", "2", "3")
            )
            other = outbox.enqueue("tests.note", {"text": "other"}, order_key="account:2")
            free = outbox.enqueue("tests.note", {"text": "free"})
        publisher.relay()
        assert sent(broker) == [first, other, free]
        example_jobs.note(str(first))
        assert sent(broker) == [first, other, free, second]
        example_jobs.note(str(second))
        assert sent(broker) == [first, other, free, second, third]

    def test_lets_the_next_row_go_when_the_one_before_is_dead(self, broker: Broker) -> None:
        first = row(state=OutboxState.PUBLISHED, order_key="account:1")
        second = row(order_key="account:1")
        assert publisher.relay() == 0
        OutboxRow.objects.filter(id=first).update(state=OutboxState.DEAD)
        assert publisher.relay() == 1
        assert sent(broker) == [second]

    def test_waits_for_a_row_that_waits_for_its_next_attempt(self, broker: Broker) -> None:
        row(age=timedelta(seconds=-60), order_key="account:1")
        row(order_key="account:1")
        assert publisher.relay() == 0
        assert broker.messages() == []
