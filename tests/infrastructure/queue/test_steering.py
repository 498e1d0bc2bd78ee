"""What an operator does with rows, and what becomes of those that are over."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.db import connections, transaction
from django.db.models.functions import Now
from django.utils import timezone

from infrastructure import batches
from infrastructure.queue import outbox, publisher
from infrastructure.queue.models import OutboxRow, OutboxState
from infrastructure.queue.outbox import Depth
from infrastructure.queue.tasks import clean_outbox
from tests.infrastructure.queue import example_jobs
from tests.infrastructure.queue.servers import Broker
from tests.infrastructure.support import at_once

pytestmark = pytest.mark.django_db(transaction=True)

DAY = timedelta(days=1)
STEERED = [OutboxState.PENDING, OutboxState.DEAD, OutboxState.PUBLISHED]

type Steer = Callable[[Iterable[UUID]], int]


def row(state: OutboxState, **fields: Any) -> OutboxRow:
    done_at = fields.pop("done_at", timezone.now()) if state == OutboxState.DONE else None
    payload = fields.pop("payload", {"text": "hello"})
    return OutboxRow.objects.create(name="tests.note", payload=payload, state=state, done_at=done_at, **fields)


def test_a_dead_row_that_is_replayed_runs_with_a_new_day_to_succeed_in(broker: Broker) -> None:
    dead = row(OutboxState.DEAD, attempts=40, first_failed_at=timezone.now() - DAY, last_error="SMTPServerDisconnected")

    assert outbox.replay([dead.pk]) == 1

    dead.refresh_from_db()
    assert (dead.state, dead.attempts, dead.first_failed_at) == (OutboxState.PUBLISHED, 0, None)
    assert len(broker.messages()) == 1
    example_jobs.note(str(dead.pk))
    dead.refresh_from_db()
    assert (dead.state, dead.last_error) == (OutboxState.DONE, "")


def test_a_pending_row_that_is_replayed_does_not_wait_for_its_time(broker: Broker) -> None:
    waiting = row(OutboxState.PENDING, next_attempt_at=timezone.now() + timedelta(hours=1))

    assert outbox.replay([waiting.pk]) == 1

    waiting.refresh_from_db()
    assert waiting.state == OutboxState.PUBLISHED


@pytest.mark.parametrize("state", [OutboxState.PUBLISHED, OutboxState.DONE])
def test_what_is_at_the_broker_or_done_is_not_replayed(state: OutboxState, broker: Broker) -> None:
    other = row(state)

    assert outbox.replay([other.pk]) == 0

    other.refresh_from_db()
    assert (other.state, broker.messages()) == (state, [])


def test_a_discarded_row_is_not_run_and_lets_the_next_of_its_key_go(broker: Broker) -> None:
    stuck = row(OutboxState.PENDING, order_key="a", next_attempt_at=timezone.now() + timedelta(hours=1))
    following = row(OutboxState.PENDING, order_key="a")

    assert outbox.discard([stuck.pk]) == 1

    stuck.refresh_from_db()
    following.refresh_from_db()
    assert (stuck.state, stuck.last_error) == (OutboxState.DEAD, "Discarded in the admin site.")
    assert following.state == OutboxState.PUBLISHED
    example_jobs.note(str(stuck.pk))
    assert example_jobs.runs() == []


@pytest.mark.parametrize("state", [OutboxState.PUBLISHED, OutboxState.DONE, OutboxState.DEAD])
def test_what_does_not_wait_is_not_discarded(state: OutboxState) -> None:
    other = row(state, last_error="before")

    assert outbox.discard([other.pk]) == 0

    other.refresh_from_db()
    assert (other.state, other.last_error) == (state, "before")


def test_the_clean_up_takes_what_is_over_for_long_and_nothing_else() -> None:
    now = timezone.now()
    row(OutboxState.DONE, done_at=now - 7 * DAY - timedelta(seconds=1))
    row(OutboxState.DEAD, next_attempt_at=now - 90 * DAY - timedelta(seconds=1))
    kept = {
        row(OutboxState.DONE, done_at=now - 7 * DAY + timedelta(minutes=1)).pk,
        row(OutboxState.DEAD, next_attempt_at=now - 90 * DAY + timedelta(minutes=1)).pk,
        row(OutboxState.PENDING, created_at=now - 400 * DAY).pk,
        row(OutboxState.PUBLISHED, created_at=now - 400 * DAY).pk,
    }

    assert outbox.purge() == 2

    assert set(OutboxRow.objects.values_list("pk", flat=True)) == kept


def test_the_clean_up_goes_on_in_another_job_as_long_as_a_batch_is_full(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "SIZE", 2)
    for _ in range(3):
        row(OutboxState.DONE, done_at=timezone.now() - 8 * DAY)
    first = OutboxRow.objects.create(name="queue.clean_outbox", payload={}, state=OutboxState.PUBLISHED)

    clean_outbox(str(first.pk))

    second = OutboxRow.objects.exclude(pk=first.pk).get(name="queue.clean_outbox")
    assert OutboxRow.objects.filter(name="tests.note").count() == 1
    clean_outbox(str(second.pk))
    assert not OutboxRow.objects.filter(name="tests.note").exists()
    assert OutboxRow.objects.filter(name="queue.clean_outbox", state=OutboxState.DONE).count() == 2


def test_a_row_that_is_replayed_beside_the_clean_up_is_kept_or_was_gone_before(broker: Broker) -> None:
    for _ in range(20):
        dead = row(OutboxState.DEAD, next_attempt_at=timezone.now() - 91 * DAY)

        replayed, purged = at_once(2, partial(_replay_or_purge, dead.pk))

        assert (replayed, purged) in {(1, 0), (0, 1)}
        assert OutboxRow.objects.filter(pk=dead.pk).exists() == bool(replayed)


def _replay_or_purge(key: UUID, number: int) -> Any:
    return _alone(outbox.replay, [key]) if number == 0 else _alone(outbox.purge)


class TestOrderKey:
    def test_a_dead_row_that_is_replayed_is_the_last_of_its_key(self, broker: Broker) -> None:
        first, second = (row(OutboxState.DEAD, order_key="a") for _ in range(2))
        running = row(OutboxState.PUBLISHED, order_key="a")
        waiting = row(OutboxState.PENDING, order_key="a")

        assert outbox.replay([first.pk, second.pk]) == 2

        # None beside the one that a worker has: they have their turns one after the other.
        assert broker.messages() == []
        turns = [waiting, first, second]
        for one, following in zip([running, *turns], [*turns, None], strict=True):
            example_jobs.note(str(one.pk))
            in_hand = OutboxRow.objects.filter(state=OutboxState.PUBLISHED)
            assert list(in_hand) == ([following] if following else [])

    def test_a_pending_row_that_is_replayed_keeps_its_place(self, broker: Broker) -> None:
        first = row(OutboxState.PENDING, order_key="a", next_attempt_at=timezone.now() + DAY)
        row(OutboxState.PENDING, order_key="a")

        assert outbox.replay([first.pk]) == 1

        assert OutboxRow.objects.get(state=OutboxState.PUBLISHED) == first

    def test_a_dead_row_is_left_alone_while_somebody_records_for_its_key(self, broker: Broker) -> None:
        dead, other = row(OutboxState.DEAD, order_key="a"), row(OutboxState.DEAD)

        with transaction.atomic():
            outbox.enqueue("tests.note", {"text": "x"}, order_key="a")
            assert at_once(1, lambda _: _alone(outbox.replay, [dead.pk, other.pk])) == [1]

        assert OutboxRow.objects.get(pk=dead.pk).state == OutboxState.DEAD
        assert outbox.replay([dead.pk]) == 1


@pytest.mark.parametrize("steer", [outbox.replay, outbox.discard])
def test_nobody_waits_for_a_row_that_a_worker_has_in_hand(steer: Steer, broker: Broker) -> None:
    # As when the broker's answer was lost: to its sender the row waits, and a worker runs it.
    in_hand = row(OutboxState.PENDING)

    with transaction.atomic():
        OutboxRow.objects.select_for_update().get(pk=in_hand.pk)
        assert at_once(1, lambda _: _alone(steer, [in_hand.pk])) == [0]

    assert OutboxRow.objects.get().state == OutboxState.PENDING


def test_many_replayed_rows_do_not_make_the_admin_wait(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "PUBLISHED_DIRECTLY", 2)
    keys = [row(OutboxState.DEAD).pk for _ in range(3)]

    assert outbox.replay(keys) == 3

    assert OutboxRow.objects.filter(state=OutboxState.PUBLISHED).count() == 2
    assert publisher.relay() == 1


def test_two_admins_a_relay_and_a_worker_at_once_run_each_row_once_or_give_it_up(broker: Broker) -> None:
    for number in range(10):
        keys = [row(state, order_key=order_key).pk for state in STEERED for order_key in (None, "a", "b")]
        calls: list[Callable[[], object]] = [
            *[partial(outbox.replay, keys)] * 2,
            *[partial(outbox.discard, keys)] * 2,
            publisher.relay,
            *[partial(_deliver, keys)] * 2,
        ]
        at_once(len(calls), partial(_call_alone, calls))

        # What was given up while it was at the broker is not run; all else is, by its message or a relay's.
        while rows := list(OutboxRow.objects.filter(state__in=[OutboxState.PENDING, OutboxState.PUBLISHED])):
            publisher.relay()
            _deliver([each.pk for each in rows])
        runs = Counter(run.split()[0] for run in example_jobs.runs())
        for key, state in OutboxRow.objects.filter(pk__in=keys).values_list("pk", "state"):
            assert (state, runs[str(key)]) in {(OutboxState.DONE, 1), (OutboxState.DEAD, 0)}, number
        assert OutboxRow.objects.count() == len(keys) * (number + 1)


def _deliver(keys: list[UUID]) -> None:
    """Do what a worker does with a message for each of the rows."""
    for key in keys:
        example_jobs.note(str(key))


def _call_alone(calls: list[Callable[[], object]], which: int) -> Any:
    return _alone(calls[which])


def _alone(call: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return call(*arguments)
    finally:
        connections.close_all()


def test_the_depth_counts_what_is_not_done_and_tells_how_long_the_oldest_has_waited() -> None:
    assert outbox.depth() == Depth(pending=0, published=0, dead=0, oldest=0.0)
    row(OutboxState.PENDING, next_attempt_at=Now() - timedelta(seconds=90))
    row(OutboxState.PENDING, next_attempt_at=Now() + timedelta(seconds=90))
    row(OutboxState.PUBLISHED)
    row(OutboxState.DEAD)
    row(OutboxState.DONE)

    depth = outbox.depth()

    assert (depth.pending, depth.published, depth.dead) == (2, 1, 1)
    assert 90 <= depth.oldest < 100
