import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from apps.users.models import Session, User
from apps.users.tests.factories import UserFactory
from layerline.flow import stack

pytestmark = pytest.mark.django_db(transaction=True)

_SECRETS = ("mellon and then some", "+442079460000", "ada@example.com", "Lovelace")


@pytest.fixture(autouse=True)
def _local(settings: Settings) -> None:
    settings.DEBUG = True
    settings.LAYERLINE_SIGN_IN = "apps.users.management.sign_in.signed_in"


@pytest.fixture
def ada() -> User:
    return UserFactory.create(email="ada@example.com")


def trace(*arguments: str) -> str:
    output = StringIO()
    call_command("trace", *arguments, stdout=output)
    return output.getvalue()


def flat(nodes: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Return kind, name and detail of all nodes, in order."""
    found = []
    for node in nodes:
        found += [(node["kind"], node["name"], node["detail"]), *flat(node["children"])]
    return found


def way(*arguments: str) -> list[tuple[str, str]]:
    """Return kind and name of what happened inside of the middleware."""
    nodes = flat(json.loads(trace(*arguments, "--json"))["tree"])
    return [(kind, name) for kind, name, _ in nodes if kind not in {"middleware", "redis"}]


def test_a_request_is_shown_from_the_wire_to_the_row_and_back(ada: User) -> None:
    assert [name if kind != "sql" else kind for kind, name in way("GET", "/api/v1/auth/me/", "--as", ada.email)] == [
        "MeViewSet.retrieve",
        "JWTAuthentication",
        "SessionService.resume",
        "SessionSelector.account_of",
        "sql",
        "IsAuthenticated",
        "UserSerializer",
        "JSONRenderer",
    ]


def test_what_is_put_off_until_the_commit_is_shown_where_it_was_and_where_it_ran(ada: User) -> None:
    done = way("PATCH", "/api/v1/auth/me/", "--as", ada.email, "--data", '{"name": "Ada King"}')

    steps = [pair for pair in done if pair[0] in {"transaction", "queued", "on commit"}]
    assert steps == [
        ("transaction", "BEGIN"),
        ("queued", "signals.replace_cached_account"),
        ("transaction", "COMMIT"),
        ("on commit", "signals.replace_cached_account"),
    ]


def test_a_look_up_in_the_cache_is_a_miss_and_then_a_hit(ada: User) -> None:
    def look_ups() -> list[str]:
        path = f"/api/v1/users/{ada.pk}/"
        nodes = flat(json.loads(trace("GET", path, "--as", ada.email, "--json"))["tree"])
        return [detail for kind, name, detail in nodes if kind == "redis" and name.startswith("MGET")]

    assert (look_ups(), look_ups()) == (["miss"], ["hit"])


def test_an_error_is_shown_with_its_code_and_the_place_it_came_from() -> None:
    body = '{"email": "nobody@example.com", "password": "wrong"}'

    text = trace("POST", "/api/v1/auth/login/", "--data", body)

    assert "401 Unauthorized" in text.splitlines()[0]
    assert re.search(
        r"error WrongCredentialsError \(authentication_failed\) · apps/users/services/accounts\.py:\d+", text
    )
    assert "service UserService.login  ✗ WrongCredentialsError" in text


def test_the_session_of_whoever_asked_is_over_afterwards(ada: User) -> None:
    trace("GET", "/api/v1/auth/me/", "--as", ada.email)

    [session] = Session.objects.all()
    assert session.ended_at is not None


def test_nothing_that_was_sent_or_stored_is_shown(tmp_path: Path) -> None:
    password, phone, email, name = _SECRETS
    body = json.dumps({"email": email, "name": f"Ada {name}", "password": password, "phone": phone})
    page = tmp_path / "trace.html"

    text = trace("POST", "/api/v1/auth/register/", "--data", body, "--html", str(page))
    machine = trace(
        "POST", "/api/v1/auth/login/", "--data", json.dumps({"email": email, "password": password}), "--json"
    )

    assert "201 Created" in text
    assert json.loads(machine)["status"] == 200
    for secret in (*_SECRETS, User.objects.get().password, "eyJ"):
        assert secret not in text + machine + page.read_text()


def test_the_page_needs_nothing_else_and_shows_an_odd_path_as_text(tmp_path: Path) -> None:
    page = tmp_path / "trace.html"

    trace("GET", "/api/v1/<script>alert(1)</script>/", "--html", str(page))

    html = page.read_text()
    assert "&lt;script&gt;alert(1)" in html
    assert not re.search(r"<script|<link|<img|@import|url\(|https?://|\bsrc=", html)
    assert "unknown_path" in html


def test_an_account_that_is_unknown_a_body_that_is_no_json_and_a_path_without_slash_are_refused() -> None:
    with pytest.raises(CommandError, match=r"no account nobody@example\.com"):
        trace("GET", "/api/v1/auth/me/", "--as", "nobody@example.com")
    with pytest.raises(CommandError, match="not JSON"):
        trace("POST", "/api/v1/auth/login/", "--data", "{")
    with pytest.raises(CommandError, match="slash"):
        trace("GET", "api/v1/auth/me/")


def test_it_runs_in_local_use_only(ada: User, settings: Settings) -> None:
    settings.DEBUG = False

    with pytest.raises(CommandError, match="local use only"):
        trace("GET", "/api/v1/auth/me/", "--as", ada.email)

    assert not Session.objects.exists()


def test_it_leaves_the_instrument_as_it_was(ada: User) -> None:
    before = list(stack.observers)

    trace("GET", "/api/v1/auth/me/", "--as", ada.email)

    assert stack.observers == before
