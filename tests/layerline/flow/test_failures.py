"""Where the error stands in the trace of whatever fails, layer by layer."""

import json
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Group
from pytest_django import Settings

from layerline.flow import report
from layerline.flow.recorder import Node
from layerline.flow.trace import Trace, trace, trace_socket, trace_task
from tests.layerline.flow.slices.shelf import tasks

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.layerline.flow.slices.shelf.urls"),
]

_HERE = "tests/layerline/flow/slices/shelf"


def send(method: str, path: str, body: bytes = b"") -> Trace:
    return trace(method, path, body=body, headers={}, actor="")


def failures(nodes: list[Node]) -> list[tuple[str, str, str]]:
    """Return kind, error and file of what failed by itself, and not by what is inside of it."""
    return [
        (node.kind, node.error, node.place.partition(":")[0])
        for root in nodes
        for _, node in root.walk()
        if node.error and not any(child.error for child in node.children)
    ]


@pytest.mark.parametrize(
    ("path", "status", "failed"),
    [
        (
            "FailingAuthenticationView",
            401,
            ("authentication", "AuthenticationFailed (authentication_failed)", "hooks.py"),
        ),
        ("FailingThrottleView", 429, ("throttle", "refused", "")),
        ("FailingPermissionView", 403, ("permission", "refused", "")),
        ("FailingView", 500, ("view", "LookupError", "views.py")),
        ("FailingServiceView", 500, ("service", "LookupError", "services.py")),
        ("FailingSelectorView", 500, ("selector", "LookupError", "selectors.py")),
        ("FailingStatementView", 500, ("sql", "DataError", "")),
        ("FailingRendererView", 500, ("renderer", "LookupError", "hooks.py")),
    ],
)
def test_a_request_shows_its_error_in_the_layer_that_failed(
    path: str, status: int, failed: tuple[str, str, str]
) -> None:
    Group.objects.create(name="one")

    traced = send("GET", f"/{path}/")

    kind, error, file = failed
    assert traced.as_json()["status"] == status
    assert failures(traced.tree) == [(kind, error, f"{_HERE}/{file}" if file else "")]
    assert "not to be shown" not in json.dumps(traced.as_json()) + report.as_html(traced) + report.as_text(traced)


@pytest.mark.parametrize(
    ("body", "failed"),
    [
        (b"{", ("parser", "ParseError (parse_error)")),
        (b'{"title": "no name"}', ("serializer", "ValidationError (invalid)")),
    ],
)
def test_a_body_shows_its_error_where_it_was_found(body: bytes, failed: tuple[str, str]) -> None:
    traced = send("POST", "/OrderView/", body)

    assert traced.as_json()["status"] == 400
    assert [(kind, error) for kind, error, _ in failures(traced.tree)] == [failed]


def test_a_middleware_shows_its_error(settings: Settings) -> None:
    settings.MIDDLEWARE = [*django_settings.MIDDLEWARE, "tests.layerline.flow.slices.shelf.hooks.FailingMiddleware"]

    # A new application: the project's own has made its chain already.
    settings.WSGI_APPLICATION = None

    traced = send("GET", "/OpenView/")

    assert traced.as_json()["status"] == 500
    assert failures(traced.tree) == [("middleware", "LookupError", f"{_HERE}/hooks.py")]
    [failed] = [node for root in traced.tree for _, node in root.walk() if node.error]
    assert failed.name == "FailingMiddleware"


def test_a_task_shows_its_error(caplog: pytest.LogCaptureFixture) -> None:
    assert tasks.fail.name == "shelf.fail"

    traced = trace_task("shelf.fail", {})

    assert traced.status == "failed"
    assert failures(traced.tasks) == [("service", "LookupError", f"{_HERE}/services.py")]
    assert traced.tasks[0].error == "LookupError"


def test_a_job_shows_its_error_and_waits_for_its_next_attempt() -> None:
    traced = trace_task("shelf.fail_as_a_job", {})

    assert traced.status == "failed"
    assert failures(traced.tasks) == [("service", "LookupError", f"{_HERE}/services.py")]
    [job] = [node for _, node in traced.tasks[0].walk() if node.kind == "job"]
    assert job.error == "LookupError"


def test_a_consumer_shows_its_error_and_the_socket_ends() -> None:
    traced = trace_socket("/ws/shelf/", texts=['{"type": "fail"}', '{"type": "order"}'], headers={}, actor="")

    assert traced.status == "1011 LookupError"
    [received] = traced.frames
    assert (received.name, received.error) == ("OrderConsumer.websocket_receive", "LookupError")
    assert failures(traced.frames) == [("service", "LookupError", f"{_HERE}/services.py")]


@pytest.mark.parametrize(
    ("path", "status", "names"),
    [
        ("/ws/refused/", 403, ["RefusingConsumer.websocket_connect", "RefusingConsumer.websocket_disconnect"]),
        ("/ws/nothing/", 1011, []),
    ],
)
def test_a_socket_that_is_not_let_in_says_so(path: str, status: int, names: list[str]) -> None:
    traced = trace_socket(path, texts=['{"type": "order"}'], headers={}, actor="")

    assert traced.as_json()["status"] == status
    assert [node.name for node in [*traced.tree, *traced.frames]] == names


def test_a_socket_that_is_closed_gets_no_further_frame() -> None:
    leave: dict[str, Any] = {"type": "leave"}
    traced = trace_socket("/ws/shelf/", texts=[json.dumps(leave), json.dumps(leave)], headers={}, actor="")

    assert traced.status == "4403 closed"
    assert [(frame.name, frame.detail) for frame in traced.frames] == [
        ("OrderConsumer.websocket_receive", "leave"),
        ("OrderConsumer.websocket_disconnect", ""),
    ]
