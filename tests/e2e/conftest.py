"""The whole of a deployment beside the tests: two web servers, a worker, a broker and a mail server."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from django.conf import settings

from infrastructure.queue.models import OutboxRow, OutboxState
from tests.e2e.servers import Server, gunicorn, running, uvicorn, with_sockets_of_tests
from tests.infrastructure.queue.servers import Broker, Mailbox, database_url, mail_server, wait_until, worker


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which each program writes its log."""
    return tmp_path_factory.mktemp("e2e")


@pytest.fixture(scope="session")
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as mailbox:
        yield mailbox


@pytest.fixture(scope="session")
def environment(django_db_setup: None, mailbox: Mailbox) -> Iterator[dict[str, str]]:
    """What every program is told: where its neighbours are."""
    with Broker() as broker:
        yield {
            "DJANGO_SETTINGS_MODULE": "tests.e2e.settings",
            "E2E_REDIS_KEY_PREFIX": settings.REDIS_KEY_PREFIX,
            "DATABASE_URL": database_url(),
            "BROKER_URL": broker.url,
            "SMTP_PORT": str(mailbox.port),
            "LOG_LEVEL": "INFO",
        }


@pytest.fixture(scope="session")
def worker_log(environment: dict[str, str], logs: Path) -> Iterator[Path]:
    """The log of a worker, which runs as long as the tests."""
    with worker(log=logs / "worker.log", environment=environment):
        yield logs / "worker.log"


@pytest.fixture(scope="session")
def open_server(environment: dict[str, str], logs: Path) -> Iterator[Server]:
    """The server of local use, with its limits out of the way."""
    rates = {f"THROTTLE_{scope.upper()}": "1000000/min" for scope in settings.THROTTLE_RATES}
    with running(uvicorn, log=logs / "uvicorn.log", environment=environment | rates) as server:
        yield server


@pytest.fixture(scope="session")
def production_server(environment: dict[str, str], logs: Path) -> Iterator[Server]:
    """The server of production, with its limits."""
    with running(gunicorn, log=logs / "gunicorn.log", environment=environment) as server:
        yield server


@pytest.fixture
def four_workers(environment: dict[str, str], logs: Path) -> Iterator[Server]:
    """The server of production in four processes."""
    with running(partial(gunicorn, workers=4), log=logs / "four.log", environment=environment) as server:
        yield server


@pytest.fixture(scope="session")
def socket_server(environment: dict[str, str], logs: Path) -> Iterator[Server]:
    """The server of local use, with sockets that only tests have."""
    origins = {"WEBSOCKET_ALLOWED_ORIGINS": "https://app.example.com"}
    command = with_sockets_of_tests
    with running(command, log=logs / "sockets.log", environment=environment | origins) as server:
        yield server


@pytest.fixture(scope="session")
def two_servers(environment: dict[str, str], logs: Path) -> Iterator[tuple[Server, Server]]:
    """Two processes that serve the same rooms, with the limits of production on messages alone."""
    others = [scope for scope in settings.THROTTLE_RATES if scope not in {"messages", "frames"}]
    rates = {f"THROTTLE_{scope.upper()}": "1000000/min" for scope in others}
    told = environment | rates | {"WEBSOCKET_ALLOWED_ORIGINS": "https://app.example.com", "SOCKETS_PER_USER": "20"}
    with (
        running(uvicorn, log=logs / "first.log", environment=told) as first,
        running(uvicorn, log=logs / "second.log", environment=told) as second,
    ):
        yield first, second


@pytest.fixture(params=["open_server", "production_server"])
def server(request: pytest.FixtureRequest) -> Server:
    """Both servers, one after the other."""
    server: Server = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def database(transactional_db: None, worker_log: Path) -> Iterator[None]:
    """The tables, empty again after the test.

    Not before the worker has finished: a lock it holds on one of them could meet a lock on another.
    """
    yield
    untried = OutboxRow.objects.exclude(state=OutboxState.DONE).filter(last_error="")
    wait_until(lambda: not untried.exists(), seconds=30)
