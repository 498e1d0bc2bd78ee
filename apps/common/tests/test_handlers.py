import logging
from typing import Any

import pytest
import structlog
from django.core.signals import got_request_exception
from django.test import Client
from pytest_django import Settings
from rest_framework.exceptions import Throttled
from rest_framework.test import APIClient, APIRequestFactory

from apps.common.exceptions import ThrottledError
from apps.common.handlers import (
    PROBLEMS,
    custom_exception_handler,
    error_frame,
    problem_document,
    problem_response,
)
from apps.common.tests.support import CANARY, FAULTS
from infrastructure import faults

pytestmark = pytest.mark.urls("apps.common.tests.support")


@pytest.fixture
def api() -> APIClient:
    """A client that shows a fault as the answer it becomes."""
    return APIClient(raise_request_exception=False)


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("unforeseen", 500, "internal_error"),
        ("foreign-code", 500, "internal_error"),
        ("database-bug", 500, "internal_error"),
        ("domain", 500, "internal_error"),
        ("broken-rule", 500, "internal_error"),
        ("row-gone-meanwhile", 409, "conflict"),
        ("taken-meanwhile", 409, "conflict"),
        ("database-away", 503, "service_unavailable"),
        ("connection-gone", 503, "service_unavailable"),
        ("pool-empty", 503, "service_unavailable"),
        ("redis-away", 503, "service_unavailable"),
        ("hashing-busy", 503, "service_unavailable"),
        ("images-busy", 503, "service_unavailable"),
        ("http404", 404, "not_found"),
        ("denied", 403, "forbidden"),
    ],
)
@pytest.mark.parametrize("debug", [False, True])
def test_an_exception_becomes_its_problem_and_shows_nothing_of_the_inside(
    api: APIClient, settings: Settings, kind: str, *, status: int, code: str, debug: bool
) -> None:
    settings.DEBUG = debug

    response = api.get(f"/api/v1/faults/{kind}/")

    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json() == {
        "type": f"/api/problems/#{code}",
        "title": PROBLEMS[code].title,
        "status": status,
        "detail": "Something went wrong." if kind == "domain" else PROBLEMS[code].meaning,
        "code": code,
        "request_id": response.headers["X-Request-ID"],
    }
    assert CANARY not in response.content.decode()
    assert response.headers.get("Retry-After") == ("5" if status == 503 else None)


@pytest.mark.parametrize("debug", [False, True])
def test_a_fault_in_a_view_of_djangos_own_is_a_problem_below_api_and_a_page_elsewhere(
    settings: Settings, *, debug: bool
) -> None:
    settings.DEBUG = debug
    client = Client(raise_request_exception=False)

    below = client.get("/api/plain-fault/")

    assert below.status_code == 500
    assert below.headers["Content-Type"] == "application/problem+json"
    assert below.json()["code"] == "internal_error"
    assert CANARY not in below.content.decode()


def test_a_fault_elsewhere_shows_a_page_without_the_inside() -> None:
    response = Client(raise_request_exception=False).get("/plain-fault/")

    assert response.status_code == 500
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert CANARY not in response.content.decode()


def test_a_fault_is_logged_once_with_its_cause_and_told_to_whoever_listens(
    api: APIClient, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Any] = []

    def listen(sender: Any, request: Any, **_: Any) -> None:
        told.append(request.path)

    got_request_exception.connect(listen)
    try:
        response = api.get("/api/v1/faults/unforeseen/")
    finally:
        got_request_exception.disconnect(listen)

    errors = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.name for record in errors] == ["layerline.errors"]
    assert told == ["/api/v1/faults/unforeseen/"]
    event: Any = errors[0].msg
    assert event["event"] == "unhandled_exception"
    assert event["request_id"] == response.headers["X-Request-ID"]
    assert "CanaryError" in repr(event["exc_info"])


def test_an_outage_is_logged_as_a_warning_with_the_kind_of_its_cause(
    api: APIClient, caplog: pytest.LogCaptureFixture
) -> None:
    api.get("/api/v1/faults/database-away/")

    warnings: list[Any] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [(record.levelname, record.msg["event"], record.msg["cause"]) for record in warnings] == [
        ("WARNING", "service_unavailable", "OperationalError")
    ]
    assert CANARY not in str(warnings[0].msg)


def test_a_rule_of_the_domain_names_its_field(api: APIClient) -> None:
    response = api.get("/api/v1/faults/invalid/")

    assert response.status_code == 400
    assert response.json()["code"] == "validation_error"
    assert response.json()["errors"] == [{"field": "name", "code": "taken_word", "detail": "Not this word."}]


def test_errors_of_nested_fields_are_one_flat_list(api: APIClient) -> None:
    response = api.get("/api/v1/faults/nested/")

    assert response.json()["errors"] == [
        {"field": "a.b", "code": "invalid", "detail": "one"},
        {"field": "a.b", "code": "invalid", "detail": "two"},
        {"field": "", "code": "invalid", "detail": "whole"},
    ]


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
def test_an_unknown_path_below_api_is_a_problem(settings: Settings, method: str, *, debug: bool) -> None:
    settings.DEBUG = debug

    response = getattr(Client(enforce_csrf_checks=True), method)("/api/v1/no/such/path")

    assert response.status_code == 404
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.json() == {
        "type": "/api/problems/#not_found",
        "title": "Not found",
        "status": 404,
        "detail": "It is not there, or not visible to this caller.",
        "code": "not_found",
        "request_id": response.headers["X-Request-ID"],
    }


def test_a_missing_slash_is_an_unknown_path_and_no_redirect(api: APIClient) -> None:
    assert api.get("/api/v1/open").status_code == 404
    assert api.get("/api/v1/open/").status_code == 200


def test_a_refusal_for_want_of_a_token_says_how_to_sign_in(api: APIClient) -> None:
    response = api.get("/api/v1/mine/")

    assert response.status_code == 401
    assert response.json()["code"] == "authentication_failed"
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "image/png"])
def test_an_answer_in_another_form_is_refused_in_json(api: APIClient, accept: str) -> None:
    response = api.get("/api/v1/open/", headers={"accept": accept})

    assert response.status_code == 406
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "not_acceptable"


@pytest.mark.parametrize("debug", [False, True])
def test_a_foreign_host_is_a_problem_under_the_headers_of_security(settings: Settings, *, debug: bool) -> None:
    settings.DEBUG = debug
    settings.ALLOWED_HOSTS = ["testserver"]

    response = Client(headers={"host": "evil.example.com"}).get("/api/v1/open/")

    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "bad_request"
    assert "evil" not in response.content.decode()
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert "default-src 'self'" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize("debug", [False, True])
def test_a_form_without_its_csrf_token_is_a_problem(settings: Settings, *, debug: bool) -> None:
    settings.DEBUG = debug

    response = Client(enforce_csrf_checks=True).post("/api/plain-form/")

    assert response.status_code == 403
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "forbidden"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_a_limit_tells_how_long_to_wait() -> None:
    request = APIRequestFactory().get("/")

    response = custom_exception_handler(Throttled(wait=12.3), {"request": request})

    assert (response.status_code, response.headers["Retry-After"]) == (429, "13")
    assert response.data["code"] == "throttled"


def test_a_limit_of_the_rules_tells_how_long_to_wait() -> None:
    request = APIRequestFactory().get("/")

    response = custom_exception_handler(ThrottledError(retry_after=90), {"request": request})

    assert (response.status_code, response.headers["Retry-After"]) == (429, "90")
    assert (response.data["code"], response.data["detail"]) == ("throttled", ThrottledError.detail)


@pytest.mark.parametrize("code", PROBLEMS)
def test_every_problem_has_a_document(code: str) -> None:
    document = problem_document(code)

    assert document["type"] == f"/api/problems/#{code}"
    assert 400 <= document["status"] < 600
    assert document["title"]
    assert document["detail"]


def test_a_status_that_no_code_stands_for_is_a_fault_of_ours() -> None:
    assert problem_response(418).status_code == 500
    assert problem_response(431).status_code == 431


@pytest.mark.parametrize(("kind", "code"), [("denied", "forbidden"), ("http404", "not_found")])
def test_a_socket_is_told_of_an_error_what_a_problem_document_says(kind: str, code: str) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        frame = error_frame(FAULTS[kind])

    assert frame == {"type": "error", "code": code, "detail": PROBLEMS[code].meaning, "request_id": "r-1"}


def test_a_socket_is_told_which_fields_are_wrong_and_when_to_come_back() -> None:
    wrong = error_frame(FAULTS["invalid"])
    early = [error_frame(error) for error in (Throttled(wait=7), ThrottledError(8), FAULTS["redis-away"])]

    assert wrong["errors"] == [{"field": "name", "code": "taken_word", "detail": "Not this word."}]
    assert [(frame["code"], frame["retry_after"]) for frame in early] == [
        ("throttled", 7),
        ("throttled", 8),
        ("service_unavailable", 5),
    ]


def test_whoever_reports_hears_of_a_socket_what_nobody_foresaw_and_nothing_else() -> None:
    told: list[Exception] = []

    def listen(error: Exception, **_: Any) -> None:
        told.append(error)

    faults.met.connect(listen)
    try:
        for kind in ("denied", "redis-away", "invalid", "unforeseen"):
            error_frame(FAULTS[kind])
    finally:
        faults.met.disconnect(listen)

    assert told == [FAULTS["unforeseen"]]


def test_a_socket_is_told_nothing_of_the_inside(caplog: pytest.LogCaptureFixture) -> None:
    frame = error_frame(FAULTS["unforeseen"])

    assert CANARY not in str(frame)
    assert [record.name for record in caplog.records] == ["layerline.errors"]
