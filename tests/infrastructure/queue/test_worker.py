"""The whole way: a real worker process, a real broker, a real mail server."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.contrib.auth.models import Group
from django.db import transaction
from django.utils import timezone

from infrastructure.queue import outbox, publisher
from infrastructure.queue.models import OutboxRow, OutboxState
from tests.infrastructure.queue import example_jobs
from tests.infrastructure.queue.servers import Broker, Mailbox, database_url, mail_server, wait_until, worker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture
def mails(broker: Broker, job_log: Path, tmp_path: Path) -> Iterator[Mailbox]:
    """The mails that a worker sends, which runs as long as the test."""
    with mail_server() as mailbox:
        environment = {
            "DATABASE_URL": database_url(),
            "BROKER_URL": broker.url,
            "SMTP_PORT": str(mailbox.port),
            "JOB_LOG": str(job_log),
        }
        with worker(log=tmp_path / "worker.log", environment=environment):
            yield mailbox


def state_of(key: UUID) -> str:
    return OutboxRow.objects.get(id=key).state


def is_done(key: UUID) -> Callable[[], bool]:
    return lambda: state_of(key) == OutboxState.DONE


def test_a_mail_is_sent_once_after_the_commit_and_never_after_a_rollback(mails: Mailbox) -> None:
    with transaction.atomic():
        outbox.enqueue("tests.greet", {"to": "never@example.com"})
        transaction.set_rollback(True)
    with transaction.atomic():
        key = outbox.enqueue("tests.greet", {"to": "ada@example.com"})
        time.sleep(0.3)
        assert mails.mails == []
    wait_until(is_done(key))
    example_jobs.greet(str(key))
    [mail] = mails.mails
    assert mail["To"] == "ada@example.com"
    assert OutboxRow.objects.get(id=key).attempts == 1


def test_a_job_recorded_while_the_broker_is_away_is_delivered_when_it_is_back(mails: Mailbox, broker: Broker) -> None:
    broker.stop()
    started = time.monotonic()
    with transaction.atomic():
        key = outbox.enqueue("tests.greet", {"to": "ada@example.com"})
    assert time.monotonic() - started < 0.9
    assert state_of(key) == OutboxState.PENDING
    broker.start()
    assert publisher.relay() == 1
    wait_until(is_done(key))
    assert [mail["To"] for mail in mails.mails] == ["ada@example.com"]


def test_a_job_whose_process_is_killed_runs_again_and_is_done_once(mails: Mailbox) -> None:
    with transaction.atomic():
        key = outbox.enqueue("tests.hang_once", {})
    [first] = wait_until(example_jobs.runs)
    os.kill(int(first.split()[1]), signal.SIGKILL)
    wait_until(is_done(key))
    first, second = (run.split()[1] for run in example_jobs.runs())
    assert first != second
    assert OutboxRow.objects.get().attempts == 2
    assert list(Group.objects.values_list("name", flat=True)) == [f"{key} {second}"]


def test_a_job_that_the_broker_lost_is_published_again(mails: Mailbox, broker: Broker) -> None:
    broker.stop()
    with transaction.atomic():
        key = outbox.enqueue("tests.greet", {"to": "ada@example.com"})
    # As if the server had lost its data just after it took the message.
    OutboxRow.objects.update(state=OutboxState.PUBLISHED, published_at=timezone.now() - timedelta(seconds=181))
    broker.start()
    assert publisher.relay() == 1
    wait_until(is_done(key))
    assert [mail["To"] for mail in mails.mails] == ["ada@example.com"]


def test_a_job_that_kills_every_process_is_stopped_and_leaves_the_worker_to_others(mails: Mailbox) -> None:
    with transaction.atomic():
        deadly = outbox.enqueue("tests.kill_the_process", {})
        harmless = outbox.enqueue("tests.note", {"text": "hello"})
    # Celery looks for dead processes every five seconds.
    wait_until(lambda: state_of(deadly) == OutboxState.PENDING, seconds=40)
    wait_until(is_done(harmless))
    row = OutboxRow.objects.get(id=deadly)
    assert (row.attempts, row.last_error) == (3, "WorkerDiedError: 3 attempts, the last without an outcome")
    assert example_jobs.runs().count(str(deadly)) == 3


def test_a_failing_job_is_left_to_its_next_attempt(mails: Mailbox) -> None:
    with transaction.atomic():
        key = outbox.enqueue("tests.write_then_fail", {})
    wait_until(lambda: OutboxRow.objects.get(id=key).attempts)
    time.sleep(0.5)
    row = OutboxRow.objects.get()
    assert (row.state, row.attempts) == (OutboxState.PENDING, 1)
    assert row.last_error == "RefusedError: 550 <address> is unknown"
    assert Group.objects.count() == 0
