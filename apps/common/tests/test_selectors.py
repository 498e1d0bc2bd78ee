from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.db import connection, connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from freezegun import freeze_time

from apps.common.selectors import READINESS_SECONDS, HealthSelector, look_in_span
from apps.common.tests.support import unused_port


@pytest.fixture(autouse=True)
def _never_looked() -> None:
    """What an earlier test saw is forgotten."""
    look_in_span.cache_clear()


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

    assert HealthSelector.now().checks == dict.fromkeys(["postgresql", "redis", "broker", "storage"], "ok")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert "no-store" in response.headers["Cache-Control"]


@pytest.mark.django_db
def test_many_who_ask_cost_one_look(client: Client, django_assert_max_num_queries: Any) -> None:
    with freeze_time() as clock:
        first = HealthSelector.now()
        with django_assert_max_num_queries(0):
            again = [client.get("/health/ready/").json() for _ in range(10)]
        clock.tick(READINESS_SECONDS)
        HealthSelector.now()

    assert first.checks == dict.fromkeys(["postgresql", "redis", "broker", "storage"], "ok")
    assert again == [{"status": "ok"}] * 10
    assert look_in_span.cache_info().misses == 2


@pytest.mark.django_db
@pytest.mark.usefixtures("redis_away")
def test_without_redis_it_serves_less_and_is_still_ready(client: Client) -> None:
    response = client.get("/health/ready/")

    assert HealthSelector.now().status == "degraded"
    assert (response.status_code, response.json()) == (200, {"status": "degraded"})


@pytest.mark.usefixtures("migration_missing")
def test_with_a_migration_missing_it_is_not_ready(client: Client) -> None:
    response = client.get("/health/ready/")

    assert HealthSelector.now().status == "unavailable"
    assert (response.status_code, response.json()) == (503, {"status": "unavailable"})


@pytest.mark.usefixtures("postgresql_away")
def test_without_postgresql_it_is_not_ready(client: Client) -> None:
    response = client.get("/health/ready/")

    assert (response.status_code, response.json()) == (503, {"status": "unavailable"})


@pytest.mark.usefixtures("postgresql_away", "redis_away")
def test_without_anything_the_process_still_tells_that_it_lives(client: Client) -> None:
    response = client.get("/health/live/")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_without_the_broker_it_is_still_ready(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    # Set and taken away again where Celery keeps what differs: an attribute of its settings would stay.
    changes = current_app.conf.changes
    assert changes is not None
    monkeypatch.setitem(changes, "broker_url", f"redis://127.0.0.1:{unused_port()}/0")

    response = client.get("/health/ready/")

    assert (response.status_code, response.json()) == (200, {"status": "degraded"})
    assert HealthSelector.now().checks["broker"] == "away"


@pytest.mark.django_db
def test_without_its_storage_it_is_still_ready(client: Client, settings: Any, tmp_path: Path) -> None:
    (tmp_path / "media").write_text("no folder", encoding="utf-8")
    backend = "django.core.files.storage.FileSystemStorage"
    options = {"location": str(tmp_path / "media")}
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": backend, "OPTIONS": options}}

    response = client.get("/health/ready/")

    assert (response.status_code, response.json()) == (200, {"status": "degraded"})
    assert HealthSelector.now().checks["storage"] == "away"
