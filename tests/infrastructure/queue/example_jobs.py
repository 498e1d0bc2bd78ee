"""Jobs for the tests of the queue. What they did outside the database stands in the file that JOB_LOG names."""

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Final
from uuid import UUID

import structlog
from django.contrib.auth.models import Group, Permission
from django.db import connection

from infrastructure.email.service import EmailService
from infrastructure.queue.jobs import job


class RefusedError(Exception):
    pass


def runs() -> list[str]:
    """Return the notes of all runs, one text each."""
    log = Path(os.environ["JOB_LOG"])
    return log.read_text().splitlines() if log.exists() else []


def _note(text: str) -> None:
    with Path(os.environ["JOB_LOG"]).open("a") as log:
        log.write(f"{text}\n")


@job(name="tests.note")
def note(key: UUID, /, *, text: str) -> None:
    _note(f"{key} {text}")


@job(name="tests.write_then_fail")
def write_then_fail(key: UUID, /) -> None:
    Group.objects.create(name=str(key))
    raise RefusedError("550 <someone@example.com> is unknown\nDETAIL: phone=+4912345")


@job(name="tests.write")
def write(key: UUID, /) -> None:
    _note(str(key))
    Group.objects.create(name=str(key))


@job(name="tests.break_a_deferred_constraint")
def break_a_deferred_constraint(key: UUID, /) -> None:
    Permission.objects.create(name="nobody's", codename="nobodys", content_type_id=2**31 - 1)


@job(name="tests.hang_once")
def hang_once(key: UUID, /) -> None:
    """Write, and hang until somebody kills the process, but only the first time."""
    Group.objects.create(name=f"{key} {os.getpid()}")
    _note(f"{key} {os.getpid()}")
    if Counter(line.split()[0] for line in runs())[str(key)] == 1:
        time.sleep(40)


@job(name="tests.kill_the_process")
def kill_the_process(key: UUID, /) -> None:
    _note(str(key))
    os.kill(os.getpid(), signal.SIGKILL)


@job(name="tests.note_context")
def note_context(key: UUID, /) -> None:
    _note(json.dumps(structlog.contextvars.get_contextvars()))


# An advisory lock: who holds it keeps all jobs of `greet_when_let_in` before their mails.
DOOR: Final = 4_711


@job(name="tests.greet_when_let_in")
def greet_when_let_in(key: UUID, /, *, to: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [DOOR])
    EmailService.send_welcome(to=to, name="Ada", link="https://app.example.com/#token=abc", key=str(key))


@job(name="tests.greet")
def greet(key: UUID, /, *, to: str) -> None:
    EmailService.send_welcome(to=to, name="Ada", link="https://app.example.com/#token=abc", key=str(key))
