"""Background work while brokers, workers and mail servers die."""

import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

import psutil
import pytest
from django.db import connection, connections, transaction
from django.db.models import F
from django.db.models.functions import Now

from infrastructure.queue import outbox, publisher
from infrastructure.queue.models import OutboxRow, OutboxState
from tests.drills.conftest import Figures
from tests.e2e.servers import Server, gunicorn, running
from tests.infrastructure.queue.servers import Broker, Mailbox, database_url, mail_server, wait_until, worker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]

KILLS: Final = 100
PASSWORD: Final = "correct horse battery staple"


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as mailbox:
        yield mailbox


@pytest.fixture
def environment(broker: Broker, mailbox: Mailbox, job_log: Path) -> dict[str, str]:
    return {
        "DATABASE_URL": database_url(),
        "BROKER_URL": broker.url,
        "SMTP_PORT": str(mailbox.port),
        "JOB_LOG": str(job_log),
    }


@pytest.fixture
def relaying() -> Iterator[None]:
    """What beat does in life: a relay every second, and rows that count as lost after ten instead of 180."""
    ended = Event()

    def relay() -> None:
        while not ended.wait(1):
            _age_lost_rows()
            publisher.relay()
        connections.close_all()

    thread = Thread(target=relay)
    thread.start()
    yield
    ended.set()
    thread.join()


def _age_lost_rows() -> None:
    rows = OutboxRow.objects.filter(state=OutboxState.PUBLISHED, published_at__lte=Now() - timedelta(seconds=10))
    rows.update(published_at=F("published_at") - timedelta(seconds=180))


def enqueue(count: int) -> None:
    for number in range(count):
        with transaction.atomic():
            outbox.enqueue("tests.greet", {"to": f"user{number}@example.com"})


def unfinished() -> int:
    return OutboxRow.objects.exclude(state=OutboxState.DONE).count()


def doubles(mailbox: Mailbox) -> int:
    return len(mailbox.mails) - len({mail["Message-ID"] for mail in mailbox.mails})


def recipients(mailbox: Mailbox) -> set[str]:
    return {str(mail["To"]) for mail in mailbox.mails}


def children(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


@pytest.mark.usefixtures("relaying")
def test_the_broker_is_away_when_people_register(
    broker: Broker, mailbox: Mailbox, environment: dict[str, str], tmp_path: Path, figures: Figures
) -> None:
    """The broker is away while ten people register."""
    web = environment | {
        "DJANGO_SETTINGS_MODULE": "tests.e2e.settings",
        "E2E_REDIS_KEY_PREFIX": f"drill:{os.getpid()}",
        "THROTTLE_REGISTER_ADDRESS": "1000/min",
    }
    with running(gunicorn, log=tmp_path / "web.log", environment=web) as server:
        broker.stop()
        times = [_register(server, number) for number in range(10)]
        broker.start()
        back = time.monotonic()
        with worker(log=tmp_path / "worker.log", environment=environment):
            wait_until(lambda: not unfinished(), seconds=60)
        figures["slowest 201, s"] = max(times)
        figures["mails after the broker's return, s"] = time.monotonic() - back
        figures["mails"] = len(mailbox.mails)
    assert max(times) < 1
    assert len(recipients(mailbox)) == len(mailbox.mails) == 10


def _register(server: Server, number: int) -> float:
    body = {"email": f"person{number}@example.com", "name": "Ada", "password": PASSWORD}
    started = time.monotonic()
    response = server.send("POST", "/api/v1/auth/register/", json=body)
    assert response.status_code == 201, response.text
    return time.monotonic() - started


@pytest.mark.usefixtures("relaying")
def test_a_hundred_kills_of_the_child(
    mailbox: Mailbox, environment: dict[str, str], tmp_path: Path, figures: Figures
) -> None:
    """The worker's child is killed over each of a hundred mails."""
    chance = random.Random(20261125)  # the same kills each time
    killed = 0
    # Long enough that each kill meets its mail on the way: before, at and after the server's 250.
    mailbox.pause = 0.05
    with worker(log=tmp_path / "worker.log", environment=environment) as process:
        for number in range(KILLS):
            with transaction.atomic():
                key = outbox.enqueue("tests.greet", {"to": f"user{number}@example.com"})
            wait_until(OutboxRow.objects.filter(pk=key, attempts=1).exists, seconds=60)
            time.sleep(chance.uniform(0, 0.1))
            for child in children(process):
                child.kill()
                killed += 1
            wait_until(lambda: children(process), seconds=30)
        wait_until(lambda: not unfinished(), seconds=600)
    figures["kills"] = killed
    figures["mails"] = len(recipients(mailbox))
    figures["sent twice, with the same Message-ID"] = doubles(mailbox)
    figures["attempts"] = sum(OutboxRow.objects.values_list("attempts", flat=True))
    assert len(recipients(mailbox)) == KILLS
    assert doubles(mailbox) <= killed


@pytest.mark.usefixtures("relaying")
@pytest.mark.parametrize("moment", range(10))
def test_the_whole_worker_is_killed(
    mailbox: Mailbox, environment: dict[str, str], tmp_path: Path, figures: Figures, moment: int
) -> None:
    """The whole worker is killed, at another moment each time."""
    with worker(log=tmp_path / "first.log", environment=environment) as process:
        enqueue(20)
        time.sleep(moment * 0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    left = unfinished()
    started = time.monotonic()
    with worker(log=tmp_path / "second.log", environment=environment):
        wait_until(lambda: not unfinished(), seconds=180)
    figures["unfinished at the kill"] = left
    figures["recovered after, s"] = time.monotonic() - started
    figures["sent twice"] = doubles(mailbox)
    assert len(recipients(mailbox)) == 20


@pytest.mark.usefixtures("relaying")
def test_the_broker_is_restarted_five_times_and_loses_its_data_each_time(
    broker: Broker, mailbox: Mailbox, environment: dict[str, str], tmp_path: Path, figures: Figures
) -> None:
    """The broker is killed and comes back empty, five times under work."""
    with worker(log=tmp_path / "worker.log", environment=environment):
        for _ in range(5):
            enqueue(20)
            broker.stop()
            enqueue(5)
            broker.start()
        started = time.monotonic()
        wait_until(lambda: not unfinished(), seconds=300)
    figures["mails"] = len(mailbox.mails)
    figures["sent twice"] = doubles(mailbox)
    figures["done after the last return, s"] = time.monotonic() - started
    assert OutboxRow.objects.count() == 125
    assert not OutboxRow.objects.exclude(state=OutboxState.DONE).exists()


@pytest.mark.usefixtures("relaying")
def test_the_mail_server_greylists_for_an_hour(
    mailbox: Mailbox, environment: dict[str, str], tmp_path: Path, figures: Figures
) -> None:
    """The mail server greylists for an hour, by a clock that is moved on."""
    mailbox.answer = "451 try again later"
    with worker(log=tmp_path / "worker.log", environment=environment):
        enqueue(3)
        minutes = 0.0
        while minutes < 60:
            wait_until(lambda: not OutboxRow.objects.filter(state=OutboxState.PUBLISHED).exists(), seconds=60)
            minutes += _skip_to_the_next_attempt()
        mailbox.answer = "250 OK"
        wait_until(lambda: not unfinished(), seconds=120)
    attempts = list(OutboxRow.objects.values_list("attempts", flat=True))
    figures["minutes"] = minutes
    figures["attempts a mail"] = max(attempts)
    assert len(mailbox.mails) == 3
    assert set(OutboxRow.objects.values_list("last_error", flat=True)) == {""}


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


@pytest.mark.usefixtures("relaying")
def test_the_mail_server_hangs(mailbox: Mailbox, environment: dict[str, str], tmp_path: Path, figures: Figures) -> None:
    """The mail server takes connections and says nothing; other work goes on after its time-out."""
    with worker(log=tmp_path / "worker.log", environment=environment), _hanging(mailbox):
        enqueue(1)
        with transaction.atomic():
            outbox.enqueue("tests.note", {"text": "behind the mail"})
        started = time.monotonic()
        wait_until(lambda: OutboxRow.objects.filter(name="tests.note", state=OutboxState.DONE).exists(), seconds=60)
        figures["the job behind it was done after, s"] = time.monotonic() - started
        wait_until(lambda: OutboxRow.objects.exclude(last_error="").exists(), seconds=60)
    row = OutboxRow.objects.get(name="tests.greet")
    figures["error"] = row.last_error
    assert row.state == OutboxState.PENDING
    assert time.monotonic() - started < 50


@contextmanager
def _hanging(mailbox: Mailbox) -> Iterator[None]:
    mailbox.pause = 120
    try:
        yield
    finally:
        mailbox.pause = 0


def test_ten_thousand_rows_are_relayed_by_two_at_once(broker: Broker, figures: Figures) -> None:
    """Ten thousand rows are relayed by two relays at once."""
    OutboxRow.objects.bulk_create(
        (OutboxRow(name="tests.note", payload={"text": str(number)}) for number in range(10_000)), batch_size=1_000
    )
    started = time.monotonic()
    sent = _at_once(2, publisher.relay)
    took = time.monotonic() - started
    figures["rows a second"] = round(10_000 / took)
    assert sum(sent) == 10_000
    assert len(broker.messages()) == 10_000
    assert Counter(OutboxRow.objects.values_list("state", flat=True)) == {"published": 10_000}


def _at_once(count: int, call: Callable[[], Any]) -> list[Any]:
    results: list[Any] = []

    def run() -> None:
        results.append(call())
        connections.close_all()

    threads = [Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
