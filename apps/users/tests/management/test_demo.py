from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from threading import Event, Thread

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from apps.users.models import User
from apps.users.tests.support import run_jobs

# What each step is answered, those that need a mail apart.
REGISTERED = ["201", "409"]
CONFIRMED = ["204", "400"]
SIGNED_IN = ["401", "200", "200", "400", "403", "200"]
AS_AN_ADMIN = ["200", "200", "204", "401", "204", "204", "401", "404"]
NEW_PASSWORD = ["200", "200", "400", "200", "401", "200"]
FORGOTTEN = ["202", "202"]
RESET = ["204", "401"]
ERASED = ["200", "204", "401", "401"]


@pytest.fixture(autouse=True)
def _mailbox(settings: Settings, tmp_path: Path) -> None:
    settings.DEBUG = True
    settings.EMAIL_BACKEND = "layerline.devpages.mailbox.MailboxBackend"
    settings.MAILBOX_DIR = tmp_path


@contextmanager
def _worker() -> Iterator[None]:
    """Run every job a moment after it is recorded."""
    over = Event()

    def work() -> None:
        while not over.wait(0.02):
            run_jobs()
        connections.close_all()

    thread = Thread(target=work)
    thread.start()
    yield
    over.set()
    thread.join()


def _demo(base_url: str, patience: float = 0.0) -> tuple[list[str], str]:
    output = StringIO()
    call_command("demo", base_url=base_url, patience=patience, stdout=output, no_color=True)
    text = output.getvalue()
    return [line.split()[-1] for line in text.splitlines() if "/api/v1/" in line], text


@pytest.mark.django_db(transaction=True)
def test_it_plays_its_session_and_leaves_no_account_behind(live_server: LiveServer) -> None:
    with _worker():
        statuses, text = _demo(live_server.url, patience=20)

    assert statuses == [
        *(*REGISTERED, *CONFIRMED, *SIGNED_IN, *AS_AN_ADMIN),
        *(*NEW_PASSWORD, *FORGOTTEN, *RESET, *ERASED),
    ]
    assert "“Welcome to Layerline” lies in" in text
    assert User.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_without_a_worker_it_plays_what_needs_no_mail(live_server: LiveServer) -> None:
    statuses, text = _demo(live_server.url)

    assert statuses == [*REGISTERED, *SIGNED_IN, *AS_AN_ADMIN, *NEW_PASSWORD, *FORGOTTEN, *ERASED]
    assert text.count("No mail yet: it waits in the outbox for a worker") == 2
    assert User.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_a_demo_that_breaks_off_leaves_no_account_behind(live_server: LiveServer, settings: Settings) -> None:
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login": (3, 60)}

    with pytest.raises(CommandError, match="answered 429 instead of 200"):
        _demo(live_server.url)

    assert User.objects.count() == 0


@pytest.mark.django_db
def test_it_says_how_to_start_a_server_where_none_answers() -> None:
    with pytest.raises(CommandError, match=r"Nothing answers at http://127.0.0.1:9\. Start it with `make run`"):
        _demo("http://127.0.0.1:9")


@pytest.mark.django_db
def test_it_makes_no_account_outside_of_local_use(settings: Settings) -> None:
    settings.DEBUG = False

    with pytest.raises(CommandError, match="it runs in local use only"):
        _demo("http://127.0.0.1:9")

    assert User.objects.count() == 0
