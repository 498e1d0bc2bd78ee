"""Beats of which one is frozen, thawed and killed, while the other stands by."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.db.models.functions import Now
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from infrastructure.queue.models import OutboxRow, OutboxState
from tests.drills.scene import Figures
from tests.infrastructure.queue.servers import Broker, beat, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


def test_two_beats(broker: Broker, tmp_path: Path, figures: Figures, progress: Callable[[str], None]) -> None:
    """Of two beats the one that leads is frozen and thawed, and then the other is killed; a job is due every second."""
    interval = IntervalSchedule.objects.create(every=1, period="seconds")
    PeriodicTask.objects.create(
        name="Note", task="tests.note", kwargs='{"text": "tick"}', interval=interval, last_run_at=datetime.now(UTC)
    )
    with beat(broker, tmp_path / "first.log") as first:
        _wait_for_firings(3)
        with beat(broker, tmp_path / "second.log") as second:
            first.send_signal(signal.SIGSTOP)
            progress("the first beat is frozen")
            figures["nobody fired for, s, when one was frozen"] = _wait_for_firings(3)
            first.send_signal(signal.SIGCONT)
            progress("it is thawed")
            _wait_for_firings(5)
            os.kill(second.pid, signal.SIGKILL)
            progress("the second one is killed")
            figures["and when the other was killed"] = _wait_for_firings(3)
    counts = Counter(OutboxRow.objects.filter(name="tests.note").values_list("due_at", flat=True))
    figures["moments that were due"] = len(counts)
    figures["fired twice"] = sum(count > 1 for count in counts.values())
    assert set(counts.values()) == {1}


def _wait_for_firings(count: int) -> float:
    """Let so many firings be done, and return the seconds until the first."""
    started = time.monotonic()
    waits: list[float] = []
    for _ in range(count):
        # While one is unfinished no other is recorded.
        wait_until(_finish, seconds=60)
        waits.append(time.monotonic() - started)
    return waits[0]


def _finish() -> int:
    """Finish what was fired; return how much there was."""
    fired = OutboxRow.objects.filter(name="tests.note").exclude(state=OutboxState.DONE)
    return fired.update(state=OutboxState.DONE, done_at=Now())
