"""Whether the time of an answer tells what the answer does not: a real server, looked at by the clock.

A few requests in the suite; as many as somebody who is in earnest would send, by
`TIMING_SAMPLES=1000 make test ARGS="tests/e2e/test_timing.py -s"` on a machine that does nothing else.
"""

import json
import os
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from time import perf_counter
from typing import Final

import pytest
from django.conf import settings

from tests import timing
from tests.e2e.servers import PATIENCE, Server, gunicorn, running
from tests.infrastructure.queue.servers import Broker

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.django_db(transaction=True)]

SAMPLES: Final = int(os.environ.get("TIMING_SAMPLES", "60"))
LIMIT: Final = 0.55 if SAMPLES >= 1_000 else timing.chance(SAMPLES)


@pytest.fixture(scope="module")
def server(environment: dict[str, str], logs: Path) -> Iterator[Server]:
    """The server of production without its limits, whose jobs nobody does: a worker would take the processor's time."""
    rates = {f"THROTTLE_{scope.upper()}": "1000000/min" for scope in settings.THROTTLE_RATES}
    with Broker() as broker:
        own = {"BROKER_URL": broker.url, "REGISTRATION_DISCLOSES_TAKEN": "false", "LOG_LEVEL": "WARNING"}
        with running(gunicorn, log=logs / "timing.log", environment=environment | rates | own) as server:
            yield server


@pytest.mark.parametrize("name", timing.NAMES)
def test_the_time_does_not_tell_what_the_answer_keeps_silent_about(server: Server, name: str) -> None:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)

    def send(path: str, body: timing.Body, token: str | None) -> tuple[int, float]:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        content = None if body is None else json.dumps(body)
        started = perf_counter()
        connection.request("POST", path, body=content, headers=headers)
        response = connection.getresponse()
        response.read()
        return response.status, perf_counter() - started

    seconds = timing.measure(timing.situation(name), SAMPLES, send)
    connection.close()

    print(f"\n  {name}: {timing.report(seconds)}")  # noqa: T201  # for whoever looks on with -s
    assert max(timing.guesses(seconds).values()) <= LIMIT, timing.report(seconds)
