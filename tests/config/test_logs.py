import json
import os
import subprocess
import sys
from typing import Any

import pytest

from config.env import PROJECT_ROOT


def written(form: str) -> str:
    """Return what a process wrote that logs in this form."""
    variables = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "config.settings.test"}
    variables |= {name: os.environ[name] for name in ("DATABASE_URL", "REDIS_URL")}
    result = subprocess.run(
        [sys.executable, "-m", "tests.config.logged", form],
        cwd=PROJECT_ROOT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    assert result.stdout == ""
    return result.stderr


@pytest.fixture(scope="module")
def as_json() -> str:
    return written("json")


@pytest.fixture(scope="module")
def events(as_json: str) -> dict[str, dict[str, Any]]:
    """The lines by their event."""
    lines = [json.loads(line) for line in as_json.splitlines()]
    return {line["event"]: line for line in lines}


def test_a_librarys_line_is_an_object_with_its_extras(events: dict[str, dict[str, Any]]) -> None:
    line = events["plain line"]

    assert (line["logger"], line["level"], line["count"]) == ("some.library", "info", 3)
    assert line["timestamp"].endswith("Z")
    assert "too fine" not in events


def test_half_of_a_surrogate_pair_is_escaped(events: dict[str, dict[str, Any]]) -> None:
    assert events["half a pair: \ud800"]["level"] == "info"


def test_line_breaks_and_escapes_in_a_path_stay_on_one_line(as_json: str) -> None:
    (line,) = [line for line in as_json.splitlines() if "/no" in line]

    assert json.loads(line)["path"] == "/api/v1/no\nsuch\r\x1b[31mpath/"
    assert json.loads(line)["request_id"] == "the-request"
    assert "\x1b" not in as_json
    assert "\r" not in as_json


def test_a_traceback_is_part_of_its_line_and_shows_no_local_variable(events: dict[str, dict[str, Any]]) -> None:
    for event in ("failed", "failed_too"):
        (failure,) = events[event]["exception"]
        assert (failure["exc_type"], failure["exc_value"]) == ("RuntimeError", "broken")
        assert [frame["name"] for frame in failure["frames"]] == ["main", "fail_with_a_secret"]
        assert [frame for frame in failure["frames"] if frame.get("locals")] == []
    assert events["failed_too"]["attempt"] == 1


def test_an_exception_is_told_by_its_first_line_without_what_was_sent(events: dict[str, dict[str, Any]]) -> None:
    failure, cause = events["failed_three"]["exception"]

    assert failure["exc_value"] == "cannot take {'password': '<hidden>', 'email': '<hidden>', 'name': 'Ada'}"
    assert cause["exc_value"] == "not unique"


def test_what_bears_a_secrets_name_or_form_is_masked_whoever_logs_it(events: dict[str, dict[str, Any]]) -> None:
    masked = events["masked"]

    assert (masked["password"], masked["nested"], masked["count"]) == ("<hidden>", {"phone": "<hidden>"}, 3)
    assert "login of <address> with Bearer <token> failed" in events


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_line_holds_a_query_string_or_a_local_variable(as_json: str, form: str) -> None:
    text = as_json if form == "json" else written(form)

    assert "DisallowedHost" in text
    assert "broken" in text
    # For a person at a terminal an exception is told in full.
    assert "canary" not in (text.replace("canary-row", "") if form == "text" else text)


def test_a_persons_terminal_gets_the_path_escaped_too() -> None:
    lines = [line for line in written("text").split("\n") if "such" in line]

    assert len(lines) == 1
    assert r"'/api/v1/no\nsuch\r\x1b[31mpath/'" in lines[0]
