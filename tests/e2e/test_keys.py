"""Signing keys rotate under servers that are replaced one after the other, and nobody is logged out."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from apps.users.models import RefreshToken
from apps.users.tests.factories import PASSWORD, UserFactory
from tests.e2e.servers import Server, gunicorn, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180), pytest.mark.usefixtures("database")]

SECRET = "hN4wVq9ZtLr2YpXc7UsKf3JmGd8BoEaTiRzQ5nHyWkPv"

type Start = Callable[[Mapping[str, str]], Server]


@pytest.fixture
def start(environment: dict[str, str], logs: Path) -> Iterator[Start]:
    """A function that starts one more server, which runs until the end of the test."""
    with ExitStack() as servers:

        def start_one(keys: Mapping[str, str]) -> Server:
            log = logs / f"keys-{len(list(logs.iterdir()))}.log"
            return servers.enter_context(running(gunicorn, log=log, environment={**environment, **keys}))

        yield start_one


def _make_keys(environment: Mapping[str, str], keys: Mapping[str, str], *arguments: str) -> dict[str, str]:
    made = subprocess.run(
        [sys.executable, "manage.py", "make_keys", *arguments],
        env={**os.environ, **environment, **keys},
        capture_output=True,
        text=True,
        check=True,
    )
    name, _, value = made.stdout.strip().partition("=")
    assert name == "JWT_KEYS"
    return {name: value}


def _me(server: Server, pair: dict[str, Any]) -> int:
    return server.send("GET", "/api/v1/auth/me/", token=pair["access"]).status_code


def _refresh(server: Server, pair: dict[str, Any]) -> dict[str, Any]:
    response = server.send("POST", "/api/v1/auth/refresh/", json={"refresh": pair["refresh"]})
    assert response.status_code == 200, response.text
    refreshed: dict[str, Any] = response.json()
    return refreshed


def test_keys_rotate_under_running_servers_and_nobody_is_logged_out(environment: dict[str, str], start: Start) -> None:
    login = {"email": UserFactory.create().email, "password": PASSWORD}
    one_secret = {"JWT_SECRET": SECRET}
    waiting = _make_keys(environment, one_secret, "--wait")
    fresh, old = json.loads(waiting["JWT_KEYS"])
    signing = _make_keys(environment, waiting, "--sign", fresh["kid"])
    first, second, third = start(one_secret), start(waiting), start(signing)

    # A client meets now the one server and now the other.
    before = first.send("POST", "/api/v1/auth/login/", json=login).json()
    after = _refresh(first, before)
    assert [_refresh(server, before)["refresh"] for server in (second, third)] == [after["refresh"]] * 2
    assert [_me(server, pair) for server in (first, second, third) for pair in (before, after)] == [200] * 6
    with_fresh_key = _refresh(third, _refresh(second, after))
    assert RefreshToken.objects.get(used_at=None).key_id == fresh["kid"]
    assert [_me(server, with_fresh_key) for server in (second, third)] == [200, 200]
    # Which is why the key has to wait until the last server knows it.
    assert _me(first, with_fresh_key) == 401

    # As long as one of its tokens may come, the old key stays.
    assert _make_keys(environment, signing, "--retire") == signing
    RefreshToken.objects.filter(key_id=old["kid"]).update(expires_at=datetime.now(UTC))
    retired = _make_keys(environment, signing, "--retire")
    assert json.loads(retired["JWT_KEYS"]) == [fresh | {"sign": True}]

    last = start(retired)
    for pair in (before, after):
        refusals = [
            last.send("GET", "/api/v1/auth/me/", token=pair["access"]),
            last.send("POST", "/api/v1/auth/refresh/", json={"refresh": pair["refresh"]}),
        ]
        for refused in refusals:
            assert (refused.status_code, refused.json()["code"]) == (401, "token_invalid")
            assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert _me(last, with_fresh_key) == 200
    assert _me(last, _refresh(last, with_fresh_key)) == 200
