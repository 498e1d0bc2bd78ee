"""Many clients that refresh one token at the same instant, over real sockets and several processes.

`CLIENTS=200 ROUNDS=50 make test ARGS="tests/e2e/test_parallel_refreshes.py -s"` is the drill, for a machine that does
nothing else: all clients must be served within the ten seconds of grace. A run of the suite plays two small rounds.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

import pytest
import requests
from django.conf import settings

from apps.common.tests.races import at_once
from apps.users.models import RefreshToken, Session
from apps.users.tests.factories import PASSWORD, UserFactory
from tests.e2e.servers import Server, gunicorn, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.usefixtures("database")]

_PATIENCE: Final = 60
_CLIENTS: Final = int(os.environ.get("CLIENTS", "50"))
_ROUNDS: Final = int(os.environ.get("ROUNDS", "2"))


@pytest.fixture
def server(environment: dict[str, str], logs: Path) -> Iterator[Server]:
    """Production's server in two processes, with its limits out of the way."""
    rates = {f"THROTTLE_{scope.upper()}": "1000000/min" for scope in settings.THROTTLE_RATES}
    with running(
        lambda port: [*gunicorn(port), "--workers=2"], log=logs / "refreshes.log", environment=environment | rates
    ) as server:
        yield server


def _refresh(server: Server, token: str, _: int) -> requests.Response:
    # The last of so many waits for all the others.
    return server.send("POST", "/api/v1/auth/refresh/", json={"refresh": token}, timeout=_PATIENCE)


def test_all_clients_get_one_successor_in_every_round(server: Server) -> None:
    user = UserFactory.create()
    login = server.send("POST", "/api/v1/auth/login/", json={"email": user.email, "password": PASSWORD})
    token, seconds = login.json()["refresh"], []

    for number in range(1, _ROUNDS + 1):
        started = time.perf_counter()
        answers = at_once(_CLIENTS, partial(_refresh, server, token))
        seconds.append(time.perf_counter() - started)

        refused = Counter(answer.text for answer in answers if answer.status_code != 200)
        assert not refused, f"round {number} took {seconds[-1]:.1f} s: {refused.most_common(3)}"
        (token,) = {answer.json()["refresh"] for answer in answers}
        assert RefreshToken.objects.count() == number + 1
    assert Session.objects.get().ended_at is None
    print(f"{_ROUNDS} rounds of {_CLIENTS}: median {median(seconds):.2f} s, longest {max(seconds):.2f} s")  # noqa: T201
