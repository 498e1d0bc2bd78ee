"""How a web server uses PostgreSQL: few connections, and new ones once the old are gone."""

from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest
from django.db import connection

from apps.users.tests.factories import PASSWORD, UserFactory
from config.settings import base
from tests.e2e.servers import Server

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("database")]

_ME: Final = "/api/v1/auth/me/"
_OTHERS: Final = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


def _signed_in(server: Server) -> str:
    form = {"email": UserFactory.create().email, "password": PASSWORD}
    answer = server.send("POST", "/api/v1/auth/login/", json=form)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access"])


def _others(query: str) -> list[object]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {query} {_OTHERS}")
        return [value for (value,) in cursor.fetchall()]


def test_a_server_whose_connections_were_cut_answers_the_next_request(server: Server) -> None:
    token = _signed_in(server)

    cut = _others("pg_terminate_backend(pid)")

    assert True in cut
    assert [server.send("GET", _ME, token=token).status_code for _ in range(5)] == [200] * 5


def test_simultaneous_requests_share_the_connections_of_the_pool(open_server: Server) -> None:
    token = _signed_in(open_server)
    most = 0

    with ThreadPoolExecutor(max_workers=20) as clients:
        requests = [clients.submit(open_server.send, "GET", _ME, token=token) for _ in range(60)]
        before = set(_others("pid"))
        while not all(request.done() for request in requests):
            most = max(most, len(set(_others("pid")) - before))

    assert {request.result().status_code for request in requests} == {200}
    assert most <= base.DATABASES["default"]["OPTIONS"]["pool"]["max_size"]
