from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu import pools

from config.celery import app
from infrastructure.queue.publisher import broker_pause
from tests.infrastructure.queue.servers import Broker


@pytest.fixture(scope="session")
def private_broker() -> Iterator[Broker]:
    broker = Broker()
    yield broker
    broker.stop()


@pytest.fixture
def broker(private_broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    """The broker of this test alone: running, empty, and the one that the Celery application publishes to."""
    if not private_broker.is_running():
        private_broker.start()
    with private_broker.client as client:
        client.flushall()
    use_broker(private_broker.url, monkeypatch)
    yield private_broker
    forget_connections()


@pytest.fixture(autouse=True)
def job_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    log = tmp_path / "jobs"
    monkeypatch.setenv("JOB_LOG", str(log))
    return log


def use_broker(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {**app.conf.broker_transport_options, "global_keyprefix": ""}
    changes = app.conf.changes
    assert changes is not None
    monkeypatch.setitem(changes, "broker_url", url)
    monkeypatch.setitem(changes, "broker_transport_options", options)
    forget_connections()


def forget_connections() -> None:
    """Let the next message open a connection to the address of that moment."""
    pools.reset()
    app._after_fork()  # type: ignore[attr-defined]  # what Celery does in a forked child
    broker_pause.end()
