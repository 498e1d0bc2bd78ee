"""Workers that die over their work: children of one that lives on, whole ones, and one that is frozen and thawed."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Final

import pytest
from django.db import connection

from infrastructure.queue import publisher
from tests.drills.scene import Figures, Stage, doubles, let_three_minutes_pass, mails_by_recipient, unfinished
from tests.drills.stops import NO_TRIGGERS, STOPS, TRIGGERS, Crew, Stop, held_door
from tests.infrastructure.queue.conftest import use_broker
from tests.infrastructure.queue.servers import Broker, Mailbox, mail_server, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(400)]

CHILDREN: Final = 10
each_stop = pytest.mark.parametrize("stop", STOPS, ids=[stop.name for stop in STOPS])


@pytest.fixture(autouse=True)
def _triggers(transactional_db: None) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(TRIGGERS)
    yield
    with connection.cursor() as cursor:
        cursor.execute(NO_TRIGGERS)


@pytest.fixture(scope="module")
def lasting_crew(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    """A worker that outlives all of its children."""
    with Broker() as broker, mail_server() as mailbox:
        stage = Stage(broker, mailbox, tmp_path_factory.mktemp("drill"))
        with stage.worker("lasting", processes=CHILDREN) as process:
            yield Crew(process, stage, CHILDREN)


@each_stop
def test_children(stop: Stop, lasting_crew: Crew, monkeypatch: pytest.MonkeyPatch, figures: Figures) -> None:
    """Ten children of a worker are killed"""
    mailbox = lasting_crew.stage.mailbox
    use_broker(lasting_crew.stage.broker.url, monkeypatch)
    mailbox.mails.clear()

    with stop.hold(lasting_crew):
        lasting_crew.kill_children()
        started = time.monotonic()
    wait_until(lambda: not unfinished(), seconds=120)

    figures["kills"] = CHILDREN
    _tell_of_mails(mailbox, figures)
    figures["all done after, s"] = time.monotonic() - started
    assert set(mails_by_recipient(mailbox).values()) == {stop.mails}
    assert len(mails_by_recipient(mailbox)) == CHILDREN
    _wait_until_idle(lasting_crew)


def _wait_until_idle(crew: Crew) -> None:
    """Wait until the crew is complete again and has acknowledged everything: the next drill begins with it."""
    with crew.stage.broker.client as client:
        wait_until(lambda: len(crew.children()) == CHILDREN and not client.hlen("unacked"), seconds=60)


def _tell_of_mails(mailbox: Mailbox, figures: Figures) -> None:
    figures["people who got a mail"] = len(mails_by_recipient(mailbox))
    figures["mails that came twice, by their Message-ID"] = doubles(mailbox)


@each_stop
def test_whole_workers(stop: Stop, stage: Stage, figures: Figures) -> None:
    """A whole worker is killed over three jobs, which another has three minutes later, by a clock that is moved on"""
    with stage.worker("first", processes=3) as process:
        crew = Crew(process, stage, 3)
        with stop.hold(crew):
            crew.kill_all()
    let_three_minutes_pass()
    with stage.worker("second"):
        started = time.monotonic()
        publisher.relay()
        wait_until(lambda: not unfinished(), seconds=60)

    figures["kills"] = 1
    _tell_of_mails(stage.mailbox, figures)
    figures["done after the relay, s"] = time.monotonic() - started
    assert set(mails_by_recipient(stage.mailbox).values()) == {stop.mails}
    assert len(mails_by_recipient(stage.mailbox)) == crew.jobs


@pytest.mark.usefixtures("relaying")
def test_lost_workers(stage: Stage, figures: Figures, progress: Callable[[str], None]) -> None:
    """One worker is killed over five jobs, one frozen over five and thawed when a third has done them, in real time"""
    with held_door() as wait_for, ExitStack() as stack:
        workers = []
        for who in ("killed", "frozen"):
            workers.append(stack.enter_context(stage.worker(who, processes=5)))
            Crew(workers[-1], stage, 5).begin(who)
            wait_for(5 * len(workers))
        killed, frozen = workers
        os.killpg(killed.pid, signal.SIGKILL)
        os.killpg(frozen.pid, signal.SIGSTOP)
        lasting = stack.pop_all()
    started = time.monotonic()
    progress("one is killed and one frozen; a third waits for what the broker returns")
    with lasting, stage.worker("third", processes=5):
        for who in ("killed", "frozen"):
            _wait_for_mails(stage.mailbox, who)
            figures[f"work of the {who} one back after, s"] = time.monotonic() - started
            progress(f"the work of the {who} one is done")
        wait_until(lambda: not unfinished(), seconds=30)
        os.killpg(frozen.pid, signal.SIGCONT)
        progress("the frozen one is thawed")
        time.sleep(5)
    figures["mails that came twice"] = doubles(stage.mailbox)
    assert set(mails_by_recipient(stage.mailbox).values()) == {1}
    assert len(mails_by_recipient(stage.mailbox)) == 10
    assert unfinished() == 0


def _wait_for_mails(mailbox: Mailbox, who: str) -> None:
    wait_until(lambda: sum(to.startswith(who) for to in mails_by_recipient(mailbox)) == 5, seconds=190)
