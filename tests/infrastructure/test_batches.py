from datetime import timedelta
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest
from django.db import connections, transaction
from django.utils import timezone

from infrastructure import batches
from infrastructure.batches import Purged
from infrastructure.queue.models import OutboxQuerySet, OutboxRow, OutboxState

if TYPE_CHECKING:
    from uuid import UUID

pytestmark = pytest.mark.django_db(transaction=True)


def _rows(count: int) -> list[OutboxRow]:
    """Make rows, of which each is a day older than the one before."""
    now = timezone.now()
    return [
        OutboxRow.objects.create(
            name="tests.note", payload={}, state=OutboxState.DEAD, next_attempt_at=now - timedelta(days=number)
        )
        for number in range(count)
    ]


def _dead() -> OutboxQuerySet:
    return OutboxRow.objects.filter(state=OutboxState.DEAD)


def _purge() -> Purged:
    with transaction.atomic():
        return batches.delete(_dead(), oldest="next_attempt_at")


def _left() -> "set[UUID]":
    return set(OutboxRow.objects.values_list("pk", flat=True))


def test_the_oldest_go_first_and_as_many_as_a_batch_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "SIZE", 2)
    rows = _rows(3)

    assert _purge() == Purged(2, more=True)
    assert _left() == {rows[0].pk}
    assert _purge() == Purged(1, more=False)


def test_what_somebody_holds_is_left_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "SIZE", 2)
    rows = _rows(3)
    held, over = Event(), Event()

    def hold(count: int) -> None:
        with transaction.atomic():
            list(_dead().order_by("next_attempt_at").select_for_update()[:count])
            held.set()
            over.wait(20)
        connections.close_all()

    # Where all of a batch is held, to go on would be to wait.
    for count, outcome in ((2, Purged(0, more=False)), (1, Purged(1, more=True))):
        held.clear()
        over.clear()
        holder = Thread(target=hold, args=(count,))
        holder.start()
        assert held.wait(20)
        assert _purge() == outcome
        over.set()
        holder.join()

    assert _left() == {rows[0].pk, rows[2].pk}


def test_the_batch_is_locked_in_the_order_of_the_keys() -> None:
    _rows(3)

    with transaction.atomic():
        held = batches.hold(_dead().order_by("next_attempt_at"))

    assert held == sorted(_left())


def test_what_is_no_longer_over_when_its_turn_comes_stays() -> None:
    (row,) = _rows(1)
    found = list(_dead().values_list("pk", flat=True))
    OutboxRow.objects.update(state=OutboxState.PENDING)

    with transaction.atomic():
        assert batches.hold(_dead().filter(pk__in=found)) == []
    assert _purge() == Purged(0, more=False)
    assert _left() == {row.pk}
