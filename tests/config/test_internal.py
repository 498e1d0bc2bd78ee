"""What operators read on the internal port."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from django.conf import settings
from prometheus_client.parser import text_string_to_metric_families

from apps.common.selectors import look_in_span
from config import internal
from infrastructure import metrics
from infrastructure.queue import outbox
from tests.infrastructure.queue.servers import database_url, free_port, wait_until


@pytest.fixture(autouse=True)
def _never_looked() -> None:
    """What an earlier test saw is forgotten."""
    look_in_span.cache_clear()


def _get(path: str) -> tuple[str, str, str]:
    """Return status, content type and body."""
    started: list[Any] = []
    body = b"".join(internal.application({"PATH_INFO": path}, lambda *args: started.extend(args)))
    return started[0], dict(started[1])["Content-Type"], body.decode()


def _samples(text: str) -> dict[str, float]:
    return {
        f"{sample.name}{sorted(sample.labels.values())}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.django_db
def test_readiness_names_each_server_behind() -> None:
    status, kind, body = _get("/health/ready/")

    assert (status, kind) == ("200 OK", "application/json")
    assert json.loads(body) == {
        "status": "ok",
        "checks": {"postgresql": "ok", "redis": "ok", "broker": "ok", "storage": "ok"},
    }


@pytest.mark.django_db
def test_metrics_tell_what_waits_in_the_outbox() -> None:
    outbox.enqueue("tests.note", {})

    status, kind, body = _get("/metrics")

    assert (status, kind) == ("200 OK", metrics.CONTENT_TYPE)
    figures = _samples(body)
    assert figures["layerline_outbox_rows['pending']"] == 1
    assert figures["layerline_outbox_rows['dead']"] == 0
    assert figures["layerline_outbox_oldest_seconds[]"] < 60


@pytest.mark.django_db
def test_nothing_else_is_there() -> None:
    assert _get("/api/v1/auth/me/")[0] == "404 Not Found"


@pytest.fixture
def beside(transactional_db: None, tmp_path: Path) -> Iterator[int]:
    """The port of a server that stands beside a program which counted three requests in two processes."""
    (tmp_path / "figures").mkdir()
    port = free_port()
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.infrastructure.queue.worker_settings",
        "DATABASE_URL": database_url(),
        "BROKER_URL": settings.CELERY_BROKER_URL,
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "figures"),
        "INTERNAL_PORT": str(port),
        "SMTP_PORT": "9",
    }
    count = (
        "import django; django.setup(); from infrastructure import metrics; "
        "metrics.answered(method='GET', route='api/v1/auth/me/', status=200, seconds=0.004)"
    )
    for times in (1, 2):
        counting = "; ".join([count, *["metrics.answered(method='GET', route='x/', status=404, seconds=1)"] * times])
        subprocess.run([sys.executable, "-c", counting], env=environment, check=True)
    # A program that starts its server and waits, as an entry point does.
    script = f"{sys.executable} -m config.internal & exec sleep 60"
    with subprocess.Popen(["/bin/sh", "-c", script], env=environment, start_new_session=True) as program:
        try:
            wait_until(lambda: _answers(port), seconds=50)
            yield port
        finally:
            program.kill()
    wait_until(lambda: not _answers(port), seconds=10)


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/health/ready/", timeout=2).status_code == 200
    except requests.ConnectionError:
        return False


@pytest.mark.slow
def test_processes_of_a_program_add_up_and_the_server_ends_with_it(beside: int) -> None:
    figures = _samples(requests.get(f"http://127.0.0.1:{beside}/metrics", timeout=5).text)

    assert figures["layerline_requests_total['200', 'GET', 'api/v1/auth/me/']"] == 2
    assert figures["layerline_requests_total['404', 'GET', 'x/']"] == 3
    assert figures["layerline_request_seconds_count['GET', 'x/']"] == 3
