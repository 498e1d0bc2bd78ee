"""What a request costs in statements. A number that rises is a decision, never an accident."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings
from rest_framework.test import APIClient

from apps.common.enums import Role
from apps.users.tests.authenticator import with_authenticator
from apps.users.tests.factories import PASSWORD, UserFactory

if TYPE_CHECKING:
    from rest_framework.response import Response

    from conftest import AuthenticatedClient

# Outside of a transaction of the test's own, or BEGIN and COMMIT would be savepoints and nothing would follow them.
pytestmark = pytest.mark.django_db(transaction=True)


def _statements(request: Callable[[], "Response"], status: int) -> list[str]:
    """Return the first word of each statement and the table it is about."""
    with CaptureQueriesContext(connection) as captured:
        response = request()
    assert response.status_code == status, response.content
    return [_short(query["sql"]) for query in captured]


def _short(sql: str) -> str:
    words = sql.replace('"', "").split()
    for before in ("FROM", "INTO", "UPDATE"):
        if before in words:
            table = words[words.index(before) + 1].partition(".")[0]
            return f"{words[0]} {table}" + (" FOR UPDATE" if "FOR UPDATE" in sql else "")
    return words[0].rstrip(";")


def test_me_costs_one_query(auth_api: Callable[[Role], "AuthenticatedClient"]) -> None:
    client = auth_api(Role.USER)

    assert _statements(lambda: client.get("/api/v1/auth/me/"), 200) == ["SELECT sessions"]


@pytest.mark.parametrize("rows", [1, 100])
def test_a_list_costs_the_same_for_one_row_and_for_a_hundred(admin_api: "AuthenticatedClient", rows: int) -> None:
    UserFactory.create_batch(rows - 1)

    response = admin_api.get("/api/v1/users/?page_size=100")
    statements = _statements(lambda: admin_api.get("/api/v1/users/?page_size=100"), 200)

    assert len(response.json()["results"]) == rows
    # The session, the count, the page.
    assert statements == ["SELECT sessions", "SELECT (SELECT", "SELECT users"]


def test_an_account_costs_a_query_once_and_then_none(admin_api: "AuthenticatedClient") -> None:
    path = f"/api/v1/users/{UserFactory.create().pk}/"

    cold = _statements(lambda: admin_api.get(path), 200)
    warm = _statements(lambda: admin_api.get(path), 200)

    # The session of whoever asks is read at each request.
    assert (cold, warm) == (["SELECT sessions", "SELECT users"], ["SELECT sessions"])


def test_a_registration(api: APIClient) -> None:
    body = {"email": "ada@example.com", "name": "Ada", "password": PASSWORD}

    assert _statements(lambda: api.post("/api/v1/auth/register/", body), 201) == [
        "BEGIN",
        "INSERT users",
        "INSERT outbox",
        "COMMIT",
        "UPDATE outbox",
        "SELECT users",
    ]


def test_a_login(api: APIClient) -> None:
    body = {"email": UserFactory.create().email, "password": PASSWORD}

    assert _statements(lambda: api.post("/api/v1/auth/login/", body), 200) == [
        "SELECT users",
        "SELECT totp_devices",
        "BEGIN",
        "SELECT users FOR UPDATE",
        "INSERT sessions",
        "INSERT refresh_tokens",
        "COMMIT",
    ]


def test_a_login_with_a_second_factor(api: APIClient) -> None:
    user = UserFactory.create()
    app = with_authenticator(user)
    body = {"email": user.email, "password": PASSWORD}

    assert _statements(lambda: api.post("/api/v1/auth/login/", body), 200) == [
        "SELECT users",
        "SELECT totp_devices",
        "BEGIN",
        "SELECT users FOR UPDATE",
        "INSERT mfa_challenges",
        "COMMIT",
    ]
    body = {"mfa_token": api.post("/api/v1/auth/login/", body).json()["mfa_token"], "code": app.code()}
    assert _statements(lambda: api.post("/api/v1/auth/mfa/verify/", body), 200) == [
        "BEGIN",
        "SELECT users FOR UPDATE",
        # The login at hand, and the wrong codes of those before it.
        "SELECT mfa_challenges",
        "SELECT mfa_challenges",
        "SELECT totp_devices",
        "UPDATE totp_devices",
        "UPDATE mfa_challenges",
        "SAVEPOINT",
        "SELECT users FOR UPDATE",
        "INSERT sessions",
        "INSERT refresh_tokens",
        "RELEASE",
        "COMMIT",
    ]


def test_a_refresh(api: APIClient, auth_api: Callable[[Role], "AuthenticatedClient"]) -> None:
    body = {"refresh": auth_api(Role.USER).refresh}

    assert _statements(lambda: api.post("/api/v1/auth/refresh/", body), 200) == [
        "BEGIN",
        "SELECT sessions FOR UPDATE",
        "SELECT refresh_tokens",
        "INSERT refresh_tokens",
        "UPDATE refresh_tokens",
        "COMMIT",
    ]


def test_a_logout(api: APIClient, auth_api: Callable[[Role], "AuthenticatedClient"]) -> None:
    body = {"refresh": auth_api(Role.USER).refresh}

    assert _statements(lambda: api.post("/api/v1/auth/logout/", body), 204) == ["UPDATE sessions"]


RESET = ["BEGIN", "SELECT users", "INSERT outbox", "COMMIT", "UPDATE outbox"]


@pytest.mark.parametrize("address", ["known", "unknown"])
def test_asking_for_a_reset_is_the_same_work_whether_there_is_such_an_account(api: APIClient, address: str) -> None:
    email = UserFactory.create().email if address == "known" else "nobody@example.com"

    assert _statements(lambda: api.post("/api/v1/auth/password/reset/", {"email": email}), 202) == RESET


@pytest.mark.parametrize("address", ["taken", "free"])
def test_a_silent_registration_is_the_same_work_whether_the_address_is_taken(
    api: APIClient, settings: Settings, address: str
) -> None:
    settings.REGISTRATION_DISCLOSES_TAKEN = False
    email = UserFactory.create().email if address == "taken" else "ada@example.com"
    body = {"email": email, "name": "Ada", "password": PASSWORD}

    assert _statements(lambda: api.post("/api/v1/auth/register/", body), 202) == [
        "BEGIN",
        "INSERT users",
        "SELECT users",
        "INSERT outbox",
        "COMMIT",
        "UPDATE outbox",
    ]


def test_a_change_of_password(auth_api: Callable[[Role], "AuthenticatedClient"]) -> None:
    client = auth_api(Role.USER)
    body = {"current": PASSWORD, "new": "nine hundred lanterns"}

    assert _statements(lambda: client.post("/api/v1/auth/password/change/", body), 200) == [
        # Who asks, the password, the rows that are held.
        *("SELECT sessions", "SELECT users"),
        *("BEGIN", "SELECT users FOR UPDATE", "SELECT sessions FOR UPDATE"),
        *("UPDATE sessions", "INSERT refresh_tokens", "UPDATE users", "SELECT users"),
        *("INSERT audit_entries", "INSERT outbox", "COMMIT"),
        # The cached copy and the message to the worker.
        *("SELECT users", "UPDATE outbox"),
    ]
