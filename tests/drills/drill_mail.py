"""Mail servers that refuse, put off, say nothing, and never come to an end."""

import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models import F

from infrastructure.queue import outbox
from infrastructure.queue.models import OutboxQuerySet, OutboxRow, OutboxState
from tests.drills.scene import Figures, Stage, doubles, enqueue, mails_by_recipient, unfinished
from tests.infrastructure.queue.servers import wait_until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(400),
    pytest.mark.usefixtures("relaying"),
]


@pytest.mark.parametrize(
    "answer", ["451 try again later", "550 no such user <user0@example.com>"], ids=["451, greylisting", "550, refusing"]
)
def test_putting_off(stage: Stage, figures: Figures, progress: Callable[[str], None], answer: str) -> None:
    """The mail server takes no mail for an hour, by a clock that is moved on"""
    stage.mailbox.answer = answer
    with stage.worker("worker"):
        enqueue(3)
        minutes, attempts = 0.0, 0
        while minutes < 60:
            attempts += 1
            failed = OutboxRow.objects.filter(state=OutboxState.PENDING, attempts=attempts)
            _wait_for_three(failed)
            assert stage.mailbox.mails == []
            minutes += _skip_to_the_next_attempt()
            progress(f"tried {attempts} times, {minutes:.0f} minutes passed")
        stage.mailbox.answer = "250 OK"
        wait_until(lambda: not unfinished(), seconds=120)
    figures["minutes"] = minutes
    figures["attempts for a mail"] = max(OutboxRow.objects.values_list("attempts", flat=True))
    figures["people who got a mail"] = len(mails_by_recipient(stage.mailbox))
    figures["mails that came twice"] = doubles(stage.mailbox)
    assert set(mails_by_recipient(stage.mailbox).values()) == {1}
    assert len(mails_by_recipient(stage.mailbox)) == 3
    assert set(OutboxRow.objects.values_list("last_error", flat=True)) == {""}


def _wait_for_three(rows: OutboxQuerySet) -> None:
    wait_until(lambda: rows.count() == 3, seconds=60)


def _skip_to_the_next_attempt() -> float:
    """Move the clock of all rows to the next attempt; return the minutes."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(next_attempt_at) - now() FROM outbox WHERE state = 'pending'")
        (gap,) = cursor.fetchone() or (None,)
    gap = max(gap or timedelta(), timedelta())
    OutboxRow.objects.filter(state=OutboxState.PENDING).update(
        next_attempt_at=F("next_attempt_at") - gap, first_failed_at=F("first_failed_at") - gap
    )
    return gap.total_seconds() / 60


def test_silence(stage: Stage, figures: Figures) -> None:
    """The mail server takes connections and says nothing, or says without end that it is not ready yet."""
    with stage.worker("worker", processes=2):
        stage.mailbox.silent_at = "EHLO"
        started = time.monotonic()
        enqueue(1, who="silent")
        wait_until(lambda: stage.mailbox.silences == 1)
        stage.mailbox.silent_at = ""
        stage.mailbox.endless = True
        enqueue(1, who="endless")
        for number in range(2):
            _note_behind(number)
        _wait_for_error("silent")
        figures["silence given up after, s"] = time.monotonic() - started
        wait_until(lambda: not OutboxRow.objects.filter(name="tests.note").exclude(state="done").exists(), seconds=60)
        figures["the jobs behind were done after, s"] = time.monotonic() - started
        _wait_for_error("endless")
        figures["no end given up after, s"] = time.monotonic() - started
    errors = OutboxRow.objects.filter(name="tests.greet").order_by("id").values_list("state", "last_error")
    assert list(errors) == [
        ("pending", "EmailError: SMTPServerDisconnected"),
        ("pending", "SoftTimeLimitExceeded: SoftTimeLimitExceeded()"),
    ]
    assert stage.mailbox.mails == []
    assert time.monotonic() - started < 60


def _note_behind(number: int) -> None:
    with transaction.atomic():
        outbox.enqueue("tests.note", {"text": str(number)})


def _wait_for_error(who: str) -> None:
    rows = OutboxRow.objects.filter(payload__to__startswith=who).exclude(last_error="")
    wait_until(rows.exists, seconds=70)
