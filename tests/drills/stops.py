"""The points of a job's way at which a drill stops a worker to kill it, held by what lies outside of the product."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import psutil
import psycopg
from django.db import connection

from tests.drills.scene import WORKER, Stage, enqueue, unfinished
from tests.infrastructure.queue.example_jobs import DOOR
from tests.infrastructure.queue.servers import database_url, wait_until

_AT_START: Final = 4_712
_AT_DONE: Final = 4_713
_AT_COMMIT: Final = 4_714
# Each lets a worker's statement or commit wait for a lock that nobody but a drill ever holds.
TRIGGERS: Final = f"""
CREATE FUNCTION drill_wait() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_advisory_xact_lock_shared(TG_ARGV[0]::bigint); RETURN NULL; END $$;
CREATE TRIGGER drill_at_start AFTER UPDATE ON outbox FOR EACH ROW
  WHEN (NEW.started_at IS NOT NULL) EXECUTE FUNCTION drill_wait({_AT_START});
CREATE TRIGGER drill_at_done AFTER UPDATE ON outbox FOR EACH ROW
  WHEN (NEW.state = 'done') EXECUTE FUNCTION drill_wait({_AT_DONE});
CREATE CONSTRAINT TRIGGER drill_at_commit AFTER UPDATE ON outbox DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN (NEW.state = 'done') EXECUTE FUNCTION drill_wait({_AT_COMMIT});
"""
NO_TRIGGERS: Final = "DROP FUNCTION drill_wait CASCADE"


@dataclass(frozen=True)
class Crew:
    """A worker, and how many jobs it runs at once.

    Args:
        process: The worker's own process; its children run the jobs.
    """

    process: subprocess.Popen[bytes]
    stage: Stage
    jobs: int

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def begin(self, who: str = "user") -> None:
        enqueue(self.jobs, name="tests.greet_when_let_in", who=who)

    def kill_children(self) -> None:
        for child in self.children():
            child.kill()

    def kill_all(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


type Hold = Callable[[Crew], AbstractContextManager[None]]


@dataclass(frozen=True)
class Stop:
    """A point of the way.

    Args:
        mails: How many a person gets whose job was killed here: two in the window that is stated, else one.
        hold: Begins jobs and has all of them there, until the end of its block.
    """

    name: str
    mails: int
    hold: Hold


@contextmanager
def _handed_over(crew: Crew) -> Iterator[None]:
    for child in crew.children():
        child.suspend()
    crew.begin()
    with closing(crew.stage.broker.client) as client:
        wait_until(lambda: client.hlen("unacked") == crew.jobs and not client.llen("celery"), seconds=30)
    yield


@contextmanager
def _before_start(crew: Crew) -> Iterator[None]:
    for child in crew.children():
        child.suspend()
    crew.begin()
    with _session() as session:
        session.execute("BEGIN; LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE")
        for child in crew.children():
            child.resume()
        _wait_for(crew.jobs)
        yield


@contextmanager
def _after_start(crew: Crew) -> Iterator[None]:
    """While all are about to commit that they begin, ask for the table: so nobody gets at it after that."""
    with _session() as session, _session() as other:
        session.execute("SELECT pg_advisory_lock(%s)", [_AT_START])
        crew.begin()
        _wait_for(crew.jobs)
        asked = other.pgconn
        asked.send_query(b"BEGIN; LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE")
        wait_until(lambda: _waiting(application="drill") == 1)
        session.execute("SELECT pg_advisory_unlock(%s)", [_AT_START])
        wait_until(lambda: _has_the_table() and _waiting() == crew.jobs, seconds=30)
        yield


@contextmanager
def _locked(crew: Crew, *, lock: int) -> Iterator[None]:
    with _session() as session:
        session.execute("SELECT pg_advisory_lock(%s)", [lock])
        crew.begin()
        _wait_for(crew.jobs)
        yield


@contextmanager
def held_door() -> Iterator[Callable[[int], None]]:
    """Keep all jobs before their mails, and give a function that waits until so many stand there."""
    with _session() as session:
        session.execute("SELECT pg_advisory_lock(%s)", [DOOR])
        yield _wait_for


@contextmanager
def _silent(crew: Crew, *, at: str) -> Iterator[None]:
    crew.stage.mailbox.silences = 0
    crew.stage.mailbox.silent_at = at
    crew.begin()
    wait_until(lambda: crew.stage.mailbox.silences == crew.jobs, seconds=30)
    yield
    crew.stage.mailbox.silent_at = ""


@contextmanager
def _after_commit(crew: Crew) -> Iterator[None]:
    """Freeze the process that acknowledges, and let its children go on."""
    with _locked(crew, lock=DOOR):
        os.kill(crew.process.pid, signal.SIGSTOP)
    wait_until(lambda: not unfinished(), seconds=30)
    yield
    if crew.process.poll() is None:
        os.kill(crew.process.pid, signal.SIGCONT)


STOPS: Final = [
    Stop("handed to the child", 1, _handed_over),
    Stop("before the row says that it began", 1, _before_start),
    Stop("while that is written", 1, partial(_locked, lock=_AT_START)),
    Stop("after that, before the job", 1, _after_start),
    Stop("in the job", 1, partial(_locked, lock=DOOR)),
    Stop("at EHLO", 1, partial(_silent, at="EHLO")),
    Stop("at RCPT", 1, partial(_silent, at="RCPT")),
    Stop("after the mail, before it is taken", 1, partial(_silent, at="DATA")),
    Stop("taken, before 250 is said", 2, partial(_silent, at="250")),
    Stop("after 250, before the commit", 2, partial(_locked, lock=_AT_DONE)),
    Stop("in the commit", 1, partial(_locked, lock=_AT_COMMIT)),
    Stop("after the commit, before the acknowledgement", 1, _after_commit),
]


@contextmanager
def _session() -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A connection whose locks end with it."""
    with closing(psycopg.connect(database_url(), autocommit=True, application_name="drill")) as session:
        yield session


def _wait_for(count: int) -> None:
    wait_until(lambda: _waiting() == count, seconds=30)


def _waiting(*, application: str = WORKER) -> int:
    """Return how many of the worker's connections wait for a lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND wait_event_type = 'Lock'",
            [application],
        )
        (count,) = cursor.fetchone()
    return int(count)


def _has_the_table() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS(SELECT FROM pg_locks WHERE relation = 'outbox'::regclass AND granted "
            "AND mode = 'AccessExclusiveLock')"
        )
        (granted,) = cursor.fetchone()
    return bool(granted)
