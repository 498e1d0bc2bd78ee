"""Mail by EMAIL_URL to real servers: under TLS, and to servers that fall silent."""

import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Timer
from typing import Any, Final

import pytest
import trustme
from aiosmtpd.smtp import AuthResult, LoginPassword
from django.db import DatabaseError, connection, transaction
from django.db.models.functions import Now
from pytest_django import Settings

from config import env
from infrastructure.email.service import EmailError, EmailService
from infrastructure.queue.models import OutboxRow, OutboxState
from tests.infrastructure.queue import example_jobs
from tests.infrastructure.queue.servers import Mailbox, mail_server

# For one answer of the server.
PATIENCE: Final = 0.5

type Serve = Callable[..., AbstractContextManager[Mailbox]]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A function that makes this process trust the authority, as docs/configuration.md tells an operator to."""

    def trust() -> None:
        authority.cert_pem.write_to_path(tmp_path / "authority.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))

    return trust


@pytest.fixture(params=["smtp+tls", "smtp+ssl"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def logins() -> list[tuple[bytes, bytes]]:
    """Every login that a server was sent."""
    return []


@pytest.fixture
def serve(
    authority: trustme.CA,
    scheme: str,
    logins: list[tuple[bytes, bytes]],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> Serve:
    """A function that runs a mail server with a certificate, to which the settings lead by an EMAIL_URL."""

    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword) -> AuthResult:
        logins.append((data.login, data.password))
        return AuthResult(success=True)

    @contextmanager
    def run(name: str = "127.0.0.1", **certificate: Any) -> Iterator[Mailbox]:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(name, **certificate).configure_cert(context)
        options: dict[str, Any] = {"authenticator": authenticate}
        if scheme == "smtp+tls":
            options |= {"tls_context": context, "require_starttls": True}
        else:
            # The server knows of STARTTLS only, and not that it is under TLS all the time.
            options |= {"ssl_context": context, "auth_require_tls": False}
        with mail_server(**options) as mailbox:
            use(f"{scheme}://ada@example.com:p%40ss%2Fword@127.0.0.1:{mailbox.port}", settings, monkeypatch)
            yield mailbox

    return run


def use(address: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMAIL_URL", address)
    for name, value in env.email("EMAIL_URL").items():
        setattr(settings, name, value)


def send() -> None:
    EmailService.send_welcome(to="bob@example.com", name="Bob", link="https://app.example.com/#token=abc")


class TestTLS:
    def test_a_mail_goes_to_a_server_whose_certificate_is_trusted(
        self, serve: Serve, trusted: Callable[[], None], logins: list[tuple[bytes, bytes]]
    ) -> None:
        trusted()
        with serve() as mailbox:
            send()

        assert [mail["To"] for mail in mailbox.mails] == ["bob@example.com"]
        assert logins == [(b"ada@example.com", b"p@ss/word")]

    def test_neither_mail_nor_login_goes_to_a_server_whose_certificate_nobody_vouches_for(
        self, serve: Serve, logins: list[tuple[bytes, bytes]]
    ) -> None:
        with serve() as mailbox, pytest.raises(EmailError, match=r"^SSLCertVerificationError$"):
            send()

        assert (mailbox.mails, logins) == ([], [])

    @pytest.mark.parametrize(
        "certificate",
        [{"name": "mail.example.com"}, {"not_after": datetime.now(UTC) - timedelta(days=1)}],
        ids=["another's", "expired"],
    )
    def test_nor_to_one_whose_certificate_is_of_another_server_or_of_the_past(
        self,
        serve: Serve,
        trusted: Callable[[], None],
        logins: list[tuple[bytes, bytes]],
        certificate: dict[str, Any],
    ) -> None:
        trusted()
        with serve(**certificate) as mailbox, pytest.raises(EmailError, match=r"^SSLCertVerificationError$"):
            send()

        assert (mailbox.mails, logins) == ([], [])

    @pytest.mark.django_db
    def test_a_job_waits_for_the_certificate_to_be_put_right(self, serve: Serve, trusted: Callable[[], None]) -> None:
        row = OutboxRow.objects.create(
            name="tests.greet", payload={"to": "bob@example.com"}, state=OutboxState.PUBLISHED
        )
        with serve() as mailbox:
            example_jobs.greet(str(row.pk))
            row.refresh_from_db()
            assert (row.state, row.last_error) == (OutboxState.PENDING, "EmailError: SSLCertVerificationError")
            assert timedelta(seconds=50) < row.next_attempt_at - datetime.now(UTC) < timedelta(seconds=67)
            assert mailbox.mails == []

            trusted()
            OutboxRow.objects.update(next_attempt_at=Now())
            example_jobs.greet(str(row.pk))

        row.refresh_from_db()
        assert (row.state, row.attempts, len(mailbox.mails)) == (OutboxState.DONE, 2, 1)


def test_a_server_that_knows_no_tls_is_sent_nothing_where_tls_was_asked_for(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mail_server() as mailbox:
        use(f"smtp+tls://ada:secret@127.0.0.1:{mailbox.port}", settings, monkeypatch)
        with pytest.raises(EmailError, match=r"^SMTPNotSupportedError$"):
            send()

    assert mailbox.mails == []


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_held_its_job_no_longer_when_it_was_thawed_sends_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mail_server() as mailbox:
        use(f"smtp://127.0.0.1:{mailbox.port}", settings, monkeypatch)
        with pytest.raises(DatabaseError):
            _send_in_a_transaction_that_was_ended()

    assert mailbox.mails == []


@transaction.atomic
def _send_in_a_transaction_that_was_ended() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    # What the database itself does to one that was silent for too long.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(_end, pid).result()
    send()


def _end(pid: int) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    finally:
        connection.close()


@pytest.mark.parametrize("scheme", ["smtp", "smtp+tls", "smtp+ssl"])
def test_a_server_that_takes_the_connection_and_says_nothing_is_given_up(
    scheme: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EMAIL_TIMEOUT = PATIENCE
    with socket.create_server(("127.0.0.1", 0)) as server:
        use(f"{scheme}://127.0.0.1:{server.getsockname()[1]}", settings, monkeypatch)
        started = time.monotonic()
        with pytest.raises(EmailError, match=r"^(TimeoutError|SMTPServerDisconnected)$"):
            send()

    assert PATIENCE <= time.monotonic() - started < PATIENCE + 3


@pytest.mark.parametrize("word", ["EHLO", "MAIL", "RCPT", "DATA"])
def test_a_server_that_falls_silent_in_between_is_given_up(
    word: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EMAIL_TIMEOUT = PATIENCE
    with mail_server() as mailbox:
        use(f"smtp://127.0.0.1:{mailbox.port}", settings, monkeypatch)
        mailbox.silent_at = word
        started = time.monotonic()
        with pytest.raises(EmailError, match=r"^SMTPServerDisconnected$"):
            send()

    assert PATIENCE <= time.monotonic() - started < PATIENCE + 3
    assert mailbox.mails == []


def test_a_server_that_falls_silent_once_it_has_taken_the_mail_took_it_and_is_not_waited_for(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EMAIL_TIMEOUT = 10
    with mail_server() as mailbox:
        use(f"smtp://127.0.0.1:{mailbox.port}", settings, monkeypatch)
        mailbox.silent_at = "QUIT"
        started = time.monotonic()
        send()

    assert time.monotonic() - started < 5
    assert len(mailbox.mails) == 1


class TimeUpError(Exception):
    """What a worker raises in a job that takes too long."""


def test_a_server_that_never_comes_to_an_end_is_left_when_the_job_has_to_end(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(number: int, frame: object) -> None:
        raise TimeUpError

    before = signal.signal(signal.SIGUSR2, end)
    try:
        with mail_server() as mailbox:
            use(f"smtp://127.0.0.1:{mailbox.port}", settings, monkeypatch)
            mailbox.endless = True
            timer = Timer(1, signal.raise_signal, [signal.SIGUSR2])
            timer.start()
            started = time.monotonic()
            with pytest.raises(TimeUpError):
                send()
            assert time.monotonic() - started < 5
            timer.join()
    finally:
        signal.signal(signal.SIGUSR2, before)

    assert mailbox.mails == []
