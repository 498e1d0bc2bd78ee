import socket
from collections.abc import Iterator
from copy import deepcopy

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from pytest_django import Settings

from apps.common.selectors import HealthSelector
from infrastructure import redis


def unused_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def redis_away(settings: Settings) -> Iterator[None]:
    """Redis is not running: the connection is refused at once."""
    caches = deepcopy(settings.CACHES)
    caches["default"]["LOCATION"] = f"redis://127.0.0.1:{unused_port()}/0"
    settings.CACHES = caches
    yield
    redis.client().connection_pool.disconnect()


@pytest.fixture
def postgresql_away(transactional_db: None) -> Iterator[None]:
    """PostgreSQL is not running: the pool gives up after a moment."""
    configured = deepcopy(connection.settings_dict)
    connection.close()
    connection.close_pool()
    connection.settings_dict["PORT"] = unused_port()
    connection.settings_dict["OPTIONS"]["pool"]["timeout"] = 0.2
    yield
    connection.close()
    connection.close_pool()
    connection.settings_dict.update(configured)


@pytest.fixture
def migration_missing(db: None) -> None:
    """The code is newer than the tables."""
    ((app, newest),) = MigrationLoader(connection).graph.leaf_nodes("users")
    MigrationRecorder(connection).record_unapplied(app, newest)


@pytest.mark.django_db
def test_with_everything_there_it_is_ready(client: Client) -> None:
    response = client.get("/health/ready/")

    assert HealthSelector.readiness() == "ok"
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert "no-store" in response.headers["Cache-Control"]


@pytest.mark.django_db
@pytest.mark.usefixtures("redis_away")
def test_without_redis_it_serves_less_and_is_still_ready(client: Client) -> None:
    response = client.get("/health/ready/")

    assert HealthSelector.readiness() == "degraded"
    assert (response.status_code, response.json()) == (200, {"status": "degraded"})


@pytest.mark.usefixtures("migration_missing")
def test_with_a_migration_missing_it_is_not_ready(client: Client) -> None:
    response = client.get("/health/ready/")

    assert HealthSelector.readiness() == "unavailable"
    assert (response.status_code, response.json()) == (503, {"status": "unavailable"})


@pytest.mark.usefixtures("postgresql_away")
def test_without_postgresql_it_is_not_ready(client: Client) -> None:
    response = client.get("/health/ready/")

    assert (response.status_code, response.json()) == (503, {"status": "unavailable"})


@pytest.mark.usefixtures("postgresql_away", "redis_away")
def test_without_anything_the_process_still_tells_that_it_lives(client: Client) -> None:
    response = client.get("/health/live/")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})
