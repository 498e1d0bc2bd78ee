"""What drills share: a worker's neighbours, people to write to, what became of their mails, and clocks moved on."""

import subprocess
from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from django.db import transaction
from django.db.models import F

from infrastructure.queue import outbox
from infrastructure.queue.models import OutboxRow, OutboxState
from tests.infrastructure.queue.servers import Broker, Mailbox, database_url, worker

# What the database calls the connections of a worker.
WORKER: Final = "drill worker"

type Figures = dict[str, str | int | float]


@dataclass(frozen=True)
class Stage:
    """A broker and a mail server, and the workers that have them.

    Args:
        folder: Where their logs are.
    """

    broker: Broker
    mailbox: Mailbox
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "DATABASE_URL": database_url(),
            "BROKER_URL": self.broker.url,
            "SMTP_PORT": str(self.mailbox.port),
            "JOB_LOG": str(self.folder / "jobs"),
            "PGAPPNAME": WORKER,
        }

    def worker(self, name: str, *, processes: int = 1) -> AbstractContextManager[subprocess.Popen[bytes]]:
        return worker(log=self.folder / f"{name}.log", environment=self.environment, processes=processes)


def enqueue(count: int, *, name: str = "tests.greet", who: str = "user") -> None:
    """Record mails to so many people, each in a transaction of its own."""
    for number in range(count):
        with transaction.atomic():
            outbox.enqueue(name, {"to": f"{who}{number}@example.com"})


def unfinished() -> int:
    return OutboxRow.objects.exclude(state=OutboxState.DONE).count()


def mails_by_recipient(mailbox: Mailbox) -> Counter[str]:
    return Counter(str(mail["To"]) for mail in mailbox.mails)


def doubles(mailbox: Mailbox) -> int:
    """Return how many mails came once more under their Message-ID."""
    return len(mailbox.mails) - len({mail["Message-ID"] for mail in mailbox.mails})


def let_three_minutes_pass() -> None:
    """Let what was published and is not done count as lost."""
    rows = OutboxRow.objects.filter(state=OutboxState.PUBLISHED)
    rows.update(published_at=F("published_at") - timedelta(seconds=181))
