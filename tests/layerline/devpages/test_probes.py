import json
import os
import subprocess
import sys
from importlib.metadata import version

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker
from django.test import Client
from pytest_django import Settings

from layerline.devpages import probes

NOTHING_LISTENS = "127.0.0.1:1"
ASK_THE_LOCAL_PROJECT = """
import json, time, django
django.setup()
from django.test import Client
client = Client(headers={"host": "localhost"})
statuses = [client.get(path).status_code for path in ("/", "/dev/mailbox/", "/dev/services/")]
started = time.perf_counter()
services = client.get("/dev/services/").json()["services"]
print(json.dumps({"seconds": time.perf_counter() - started, "statuses": statuses, "services": services}))
"""


@pytest.mark.django_db
def test_services_that_answer_are_up_with_their_versions(pages: Client) -> None:
    response = pages.get("/dev/services/")

    database, redis, worker = response.json()["services"]
    assert (database["service"], database["up"]) == ("database", True)
    assert database["version"].startswith("PostgreSQL 1")
    assert (redis["service"], redis["up"]) == ("redis", True)
    assert redis["version"].split()[0] in {"Redis", "Valkey"}
    assert redis["milliseconds"] > 0
    assert worker == {"service": "worker", "up": False, "version": "", "milliseconds": None}


def test_redis_that_is_away_gives_no_answer(settings: Settings) -> None:
    settings.REDIS_URL = f"redis://{NOTHING_LISTENS}/0"

    with pytest.raises(probes.NoAnswerError):
        probes.redis()


def test_a_worker_behind_a_broker_that_is_away_gives_no_answer(settings: Settings) -> None:
    settings.CELERY_BROKER_URL = f"redis://{NOTHING_LISTENS}/0"

    with pytest.raises(probes.NoAnswerError):
        probes.worker()


def test_a_worker_that_runs_answers() -> None:
    application = Celery("tests", set_as_current=False)
    application.config_from_object("django.conf:settings", namespace="CELERY")

    with start_worker(application, perform_ping_check=False, shutdown_timeout=5):
        assert probes.worker() == f"Celery {version('celery')}"


@pytest.mark.slow
def test_the_local_project_has_the_pages_and_answers_within_a_second_when_everything_is_away() -> None:
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "config.settings.local",
        "DATABASE_URL": f"postgres://nobody:none@{NOTHING_LISTENS}/none",
        "REDIS_URL": f"redis://{NOTHING_LISTENS}/0",
        "BROKER_URL": f"redis://{NOTHING_LISTENS}/0",
    }

    run = subprocess.run(
        [sys.executable, "-c", ASK_THE_LOCAL_PROJECT], env=environment, capture_output=True, text=True, check=True
    )

    answer = json.loads(run.stdout)
    assert answer["statuses"] == [200, 200, 200]
    assert answer["seconds"] < 1.2
    assert [(state["service"], state["up"]) for state in answer["services"]] == [
        ("database", False),
        ("redis", False),
        ("worker", False),
    ]
