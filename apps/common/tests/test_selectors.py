from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from django.db import connection, connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from freezegun import freeze_time

from apps.common.selectors import READINESS_SECONDS, HealthSelector, readiness_in_span
from apps.common.tests.support import unused_port


@pytest.fixture(autouse=True)
def _never_looked() -> None:
    """What an earlier test saw is forgotten."""
    readiness_in_span.cache_clear()


@pytest.fixture
def postgresql_away(transactional_db: None) -> Iterator[None]:
    """PostgreSQL is not running: the pool gives up after a moment."""
    # Behind Django's proxy, whose type knows nothing of a pool.
    postgresql: Any = connections["default"]
    configured = deepcopy(postgresql.settings_dict)
    postgresql.close()
    postgresql.close_pool()
    postgresql.settings_dict["PORT"] = unused_port()
    postgresql.settings_dict["OPTIONS"]["pool"]["timeout"] = 0.2
    yield
    postgresql.close()
    postgresql.close_pool()
    postgresql.settings_dict.update(configured)


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
def test_many_who_ask_cost_one_look(client: Client, django_assert_max_num_queries: Any) -> None:
    with freeze_time() as clock:
        first = HealthSelector.readiness()
        with django_assert_max_num_queries(0):
            again = [client.get("/health/ready/").json() for _ in range(10)]
        clock.tick(READINESS_SECONDS)
        HealthSelector.readiness()

    assert first == "ok"
    assert again == [{"status": "ok"}] * 10
    assert readiness_in_span.cache_info().misses == 2


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
