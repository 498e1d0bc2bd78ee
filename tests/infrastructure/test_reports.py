import json
import os
import subprocess
import sys
from typing import Any, Final

import pytest

from config.env import PROJECT_ROOT
from infrastructure import reports


@pytest.fixture(scope="module")
def reported() -> dict[str, Any]:
    """What a process reported that failed in every way, and what it must not have told."""
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            "import django; django.setup(); from tests.infrastructure import reported; reported.main()",
        ],
        cwd=PROJECT_ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.test"},
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    told: dict[str, Any] = json.loads(result.stdout)
    return told


@pytest.fixture(scope="module")
def events(reported: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = reported["events"]
    return found


_SENT: Final = "{'password': '<hidden>', 'email': '<hidden>', 'phone': '<hidden>', 'note': 'a note'}"


def _failure(event: dict[str, Any]) -> tuple[str, str]:
    failure = event["exception"]["values"][-1]
    return failure["type"], failure["value"]


def test_whatever_fails_is_reported_once(events: list[dict[str, Any]]) -> None:
    assert [_failure(event) for event in events] == [
        ("ValueError", f"<hidden> of {_SENT} is wrong"),
        ("ValueError", f"no {_SENT} 41"),
        ("ValueError", "cannot use token=<hidden>"),
        ("ValueError", "cannot use token=<hidden>"),
    ]


def test_no_report_holds_what_somebody_sent_nor_a_local_variable(reported: dict[str, Any]) -> None:
    told = json.dumps(reported["events"])

    assert "failing_page" in told
    assert [canary for canary in reported["canaries"] if canary in told] == []
    assert '"vars"' not in told


def test_a_request_is_told_by_route_path_and_a_few_headers(events: list[dict[str, Any]]) -> None:
    event = events[0]

    assert event["transaction"] == "/api/v1/failing/{number}/"
    assert event["request"] == {
        "method": "POST",
        "url": "http://testserver/api/v1/failing/7/",
        "headers": {
            "Content-Length": event["request"]["headers"]["Content-Length"],
            "Content-Type": "application/json",
            "User-Agent": "curl/8.5",
            "X-Request-Id": "the-request",
        },
    }
    assert event["environment"] == "tests"


def test_a_report_is_found_by_the_id_of_its_request(events: list[dict[str, Any]]) -> None:
    assert [event["tags"] for event in events] == [
        {"request_id": "the-request"},
        {"request_id": "the-request"},
        {"request_id": "the-job's", "job": "tests.job", "job_id": "43"},
        {},
    ]
    assert events[2]["user"] == {"id": "42"}
    assert "user" not in events[0]


def test_a_report_shows_where_it_happened_and_the_lines_around(events: list[dict[str, Any]]) -> None:
    frame = events[0]["exception"]["values"][-1]["stacktrace"]["frames"][-1]

    assert (frame["function"], frame["module"]) == ("create", "tests.infrastructure.reported")
    assert frame["context_line"].strip().startswith("raise ValueError(")


def test_the_steps_before_it_are_told_without_their_data(events: list[dict[str, Any]]) -> None:
    steps = [step for event in events for step in event.get("breadcrumbs", {}).get("values", ())]

    assert [step for step in steps if not step.keys() <= {"category", "level", "timestamp", "type", "message"}] == []
    assert [step for step in steps if "message" in step and step["category"] != "query"] == []


@pytest.mark.parametrize("dsn", ["https://sentry.internal/1", "https://canary@", "canary"])
def test_an_address_that_cannot_be_used_is_refused_and_not_repeated(dsn: str) -> None:
    with pytest.raises(reports.BadAddressError) as caught:
        reports.configure(dsn=dsn, environment="tests")

    assert (str(caught.value), caught.value.__cause__, caught.value.__suppress_context__) == ("", None, True)


def test_without_an_address_nothing_is_set_up() -> None:
    reports.configure(dsn="", environment="tests")
