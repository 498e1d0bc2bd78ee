import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from pytest_django import Settings

from apps.users.models import Session, User
from apps.users.tests.factories import AdminFactory, UserFactory
from infrastructure.queue.models import OutboxRow, OutboxState
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
        "SessionService.admit",
        "SessionSelector.open_with_account",
        "sql",
        "IsAuthenticated",
        "BurstUserThrottle, SustainedUserThrottle",
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
        nodes = flat(json.loads(trace("GET", path, "--as", admin.email, "--json"))["tree"])
        return [detail for kind, _, detail in nodes if kind == "redis" and detail in {"hit", "miss"}]

    admin = AdminFactory.create()

    # At the door, whose session is another each time; and the account that is looked at.
    assert look_ups() == ["miss", "miss"]
    assert look_ups() == ["miss", "hit"]


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["FETCH", "/api/v1/auth/me/"], r"FETCH is none of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, WS, TASK"),
        (["GET", "api/v1/auth/me/"], "begins with one slash"),
        (["GET", "//evil.example/api/"], "begins with one slash"),
        (["GET", "/api/ v1/"], "no white space"),
        (["GET", "/api/\nv1/"], "no white space"),
        (["GET", "/api/\udcff/"], "no white space"),
        (["GET", "/api/#top"], "no #"),
        (["WS", "ws/chat/"], "begins with one slash"),
        (["POST", "/api/v1/auth/login/", "--data", "{"], "--data is not JSON: Expecting"),
        (["POST", "/api/v1/auth/login/", "--data", '{"a": NaN}'], "--data is not JSON: it holds NaN"),
        (["POST", "/api/v1/auth/login/", "--data", "[" * 100_000], "--data is not JSON"),
        (["POST", "/api/v1/auth/login/", "--data", '"\udcff"'], "--data is not JSON"),
        (["POST", "/api/v1/auth/login/", "--data", "{}", "--data", "{}"], "Only WS takes --data more than once"),
        (
            ["GET", "/api/v1/auth/me/", "--as", "nobody@example.com"],
            r"There is no account nobody@example\.com that can",
        ),
        (
            ["GET", "/api/v1/auth/me/", "--as", "closed@example.com"],
            r"There is no account closed@example\.com that can",
        ),
        (["GET", "/api/v1/auth/me/", "--as", "ada\x00@example.com"], "--as is no e-mail address"),
        (["TASK", "users.send_welcome_mail"], r"no task users\.send_welcome_mail\. There is users\.send_welcome_email"),
        (["TASK", "users.clean_expired_tokens", "--as", "ada@example.com"], "A task runs as nobody"),
        (["TASK", "users.send_welcome_email"], "does not take this: missing a required argument: 'user_id'"),
        (["TASK", "users.send_welcome_email", "--data", "[1]"], "is a JSON object"),
        (["TASK", "users.clean_expired_tokens", "--data", '{"a": 1}'], "does not take this: .* 'a'"),
        (["TASK", "users.send_welcome_email", "--data", '{"user_id": "\\u0000"}'], "--data cannot be stored"),
        (["TASK", "users.send_welcome_email", "--data", '{"user_id": 1e999}'], "--data cannot be stored"),
    ],
)
@pytest.mark.django_db(transaction=False)
def test_what_cannot_be_sent_is_refused_and_nothing_is_written(
    arguments: list[str], message: str, ada: User, tmp_path: Path
) -> None:
    UserFactory.create(email="closed@example.com", is_active=False)
    page = tmp_path / "trace.html"

    with pytest.raises(CommandError, match=message):
        trace(*arguments, "--html", str(page))

    assert not page.exists()
    assert not Session.objects.exists()
    assert not OutboxRow.objects.exists()


@pytest.mark.parametrize("name", ["missing/trace.html", ".", "file/trace.html"])
def test_a_page_that_cannot_be_written_is_refused_before_anything_is_sent(name: str, ada: User, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("as it was")

    with pytest.raises(CommandError, match=r"cannot be written: (No such file|Is a directory|Not a directory)"):
        trace("GET", "/api/v1/auth/me/", "--as", ada.email, "--html", str(tmp_path / name))

    assert not Session.objects.exists()
    assert (tmp_path / "file").read_text() == "as it was"


def test_a_page_that_was_there_is_replaced_only_by_a_trace(tmp_path: Path) -> None:
    page = tmp_path / "trace.html"
    page.write_text("as it was")

    with pytest.raises(CommandError):
        trace("GET", "/api/v1/auth/me/", "--as", "nobody@example.com", "--html", str(page))
    assert page.read_text() == "as it was"

    trace("GET", "/health/live/", "--html", str(page))
    assert "GET /health/live/" in page.read_text()


def test_the_welcome_mail_is_sent_by_the_task_that_runs_after_the_answer(tmp_path: Path) -> None:
    page = tmp_path / "trace.html"
    body = json.dumps({"email": "ada@example.com", "name": "Ada", "password": "mellon and then some"})

    text = trace("POST", "/api/v1/auth/register/", "--data", body, "--html", str(page))

    assert "leaves the message of task users.send_welcome_email" in text
    [heading] = [line for line in text.splitlines() if line.startswith("Task ")]
    assert re.fullmatch(r"Task users\.send_welcome_email: [\d.]+ ms \(SQL \d+ in [\d.]+ ms, Redis \d+ in .*\)", heading)
    assert re.findall(r"<h2[^>]*><small>(\w+)</small>([^<]+)</h2>", page.read_text()) == [
        ("Request", "POST /api/v1/auth/register/"),
        ("Task", "users.send_welcome_email"),
    ]
    assert [message.to for message in mail.outbox] == [["ada@example.com"]]
    assert OutboxRow.objects.get().state == OutboxState.DONE


def test_tasks_are_left_to_the_worker_if_asked_to() -> None:
    body = json.dumps({"email": "ada@example.com", "name": "Ada", "password": "mellon and then some"})

    machine = json.loads(trace("POST", "/api/v1/auth/register/", "--data", body, "--no-tasks", "--json"))

    assert machine["tasks"] == []
    assert mail.outbox == []
    assert OutboxRow.objects.get().state == OutboxState.PUBLISHED


def test_a_task_is_traced_by_its_name(ada: User) -> None:
    machine = json.loads(
        trace("TASK", "users.send_welcome_email", "--data", json.dumps({"user_id": str(ada.pk)}), "--json")
    )

    assert (machine["method"], machine["path"], machine["status"]) == ("TASK", "users.send_welcome_email", "done")
    assert [(task["kind"], task["name"]) for task in machine["tasks"]] == [("task", "users.send_welcome_email")]
    assert [message.to for message in mail.outbox] == [[ada.email]]


def test_a_socket_is_traced_by_its_path(ada: User) -> None:
    machine = json.loads(trace("WS", "/ws/nowhere/", "--as", ada.email, "--data", '{"type": "hello"}', "--json"))

    assert (machine["method"], machine["status"]) == ("WS", 4404)
    assert flat(machine["tree"]) == [
        ("consumer", "UnknownSocketConsumer.websocket_connect", ""),
        ("sent", "websocket.accept", ""),
        ("sent", "websocket.close", "4404"),
    ]
    [session] = Session.objects.all()
    assert session.ended_at is not None


def test_its_help_tells_how_tasks_run_and_how_a_socket_is_opened(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        call_command("trace", "--help")

    help_text = " ".join(capsys.readouterr().out.split())
    assert "trace WS /ws/chat/lobby/ --as ada@example.com --data" in help_text
    assert "no running worker runs it a second time. With --no-tasks it goes to the broker" in help_text


def test_it_runs_in_local_use_only(ada: User, settings: Settings) -> None:
    settings.DEBUG = False

    with pytest.raises(CommandError, match="local use only"):
        trace("GET", "/api/v1/auth/me/", "--as", ada.email)

    assert not Session.objects.exists()


def test_it_leaves_the_instrument_as_it_was(ada: User) -> None:
    before = list(stack.observers)

    trace("GET", "/api/v1/auth/me/", "--as", ada.email)

    assert stack.observers == before
