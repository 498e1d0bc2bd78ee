"""Brokers that are away, are restarted under work, and come back empty."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Final

import pytest
from django.db import connections

from tests.drills.scene import Figures, Stage, doubles, enqueue, let_three_minutes_pass, mails_by_recipient, unfinished
from tests.e2e.servers import Server, gunicorn, running
from tests.infrastructure.queue.conftest import use_broker
from tests.infrastructure.queue.servers import Broker, mail_server, wait_until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(400),
    pytest.mark.usefixtures("relaying"),
]

PASSWORD: Final = "correct horse battery staple"
RESTARTS: Final = 5


def test_registrations(stage: Stage, figures: Figures) -> None:
    """The broker is away while ten people register."""
    environment = stage.environment | {
        "DJANGO_SETTINGS_MODULE": "tests.e2e.settings",
        "E2E_REDIS_KEY_PREFIX": f"drill:{os.getpid()}",
        "THROTTLE_REGISTER_ADDRESS": "1000/min",
    }
    with running(gunicorn, log=stage.folder / "web.log", environment=environment) as server, stage.worker("worker"):
        stage.broker.stop()
        times = [_register(server, number) for number in range(10)]
        stage.broker.start()
        back = time.monotonic()
        wait_until(lambda: not unfinished(), seconds=60)
        figures["slowest 201, s"] = max(times)
        figures["last mail after the broker's return, s"] = time.monotonic() - back
    figures["people who got a mail"] = len(mails_by_recipient(stage.mailbox))
    figures["mails that came twice"] = doubles(stage.mailbox)
    assert max(times) < 1
    assert set(mails_by_recipient(stage.mailbox).values()) == {1}
    assert len(mails_by_recipient(stage.mailbox)) == 10


def _register(server: Server, number: int) -> float:
    body = {"email": f"person{number}@example.com", "name": "Ada", "password": PASSWORD}
    started = time.monotonic()
    response = server.send("POST", "/api/v1/auth/register/", json=body)
    assert response.status_code == 201, response.text
    return time.monotonic() - started


@pytest.fixture
def careful_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    """A broker that is killed and still knows everything."""
    folder = tmp_path / "broker"
    folder.mkdir()
    with Broker(folder) as broker:
        use_broker(broker.url, monkeypatch)
        yield broker


def test_restarts(careful_broker: Broker, tmp_path: Path, figures: Figures, progress: Callable[[str], None]) -> None:
    """The broker is killed and started again with its data, five times under work."""
    with mail_server() as mailbox, Stage(careful_broker, mailbox, tmp_path).worker("worker", processes=2):
        with _recording() as recorded:
            for number in range(RESTARTS):
                time.sleep(1)
                careful_broker.stop()
                time.sleep(1)
                careful_broker.start()
                progress(f"restarted {number + 1} of {RESTARTS} times")
            time.sleep(1)
        started = time.monotonic()
        wait_until(lambda: not unfinished(), seconds=190)
    figures["mails recorded meanwhile"] = len(recorded)
    figures["people who got a mail"] = len(mails_by_recipient(mailbox))
    figures["mails that came twice"] = doubles(mailbox)
    figures["all done after, s"] = time.monotonic() - started
    assert set(mails_by_recipient(mailbox)) == set(recorded)
    assert doubles(mailbox) == 0


@contextmanager
def _recording() -> Iterator[list[str]]:
    """Record a mail twenty times a second, whatever the broker does, until the end of the block."""
    recipients: list[str] = []
    ended = Event()

    def record() -> None:
        while not ended.wait(0.05):
            who = f"person{len(recipients)}-"
            enqueue(1, who=who)
            recipients.append(f"{who}0@example.com")
        connections.close_all()

    thread = Thread(target=record)
    thread.start()
    try:
        yield recipients
    finally:
        ended.set()
        thread.join()


def test_loss(stage: Stage, figures: Figures) -> None:
    """The broker comes back empty when twenty mails wait in it; three minutes later, by a clock that is moved on."""
    enqueue(20)
    assert len(stage.broker.messages()) == 20
    stage.broker.stop()
    stage.broker.start()
    assert stage.broker.messages() == []
    let_three_minutes_pass()
    with stage.worker("worker"):
        started = time.monotonic()
        wait_until(lambda: not unfinished(), seconds=60)
    figures["people who got a mail"] = len(mails_by_recipient(stage.mailbox))
    figures["mails that came twice"] = doubles(stage.mailbox)
    figures["all done after, s"] = time.monotonic() - started
    assert set(mails_by_recipient(stage.mailbox).values()) == {1}
    assert len(mails_by_recipient(stage.mailbox)) == 20
