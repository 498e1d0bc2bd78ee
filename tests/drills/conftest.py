"""Faults, one after the other, each with figures in a report: `make drill`."""

import platform
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Final

import pytest

from tests.infrastructure.queue.conftest import *  # noqa: F403  # the broker and the log of jobs, for drills too

REPORT: Final = Path(".dev/drill.md")

type Figures = dict[str, str | int | float]

_results: Final[list[tuple[str, str, float, Figures]]] = []
_outcomes: Final[dict[str, str]] = {}


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Iterator[Figures]:
    """What a drill wants to tell, by name."""
    told: Figures = {}
    started = perf_counter()
    yield told
    story = (request.function.__doc__ or request.node.name).strip()
    _results.append((request.node.nodeid, story, perf_counter() - started, told))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: object) -> Iterator[None]:  # pytest's names
    report: pytest.TestReport = yield  # type: ignore[assignment]  # what the wrapped hook made
    if report.when == "call" or report.outcome == "failed":
        _outcomes[item.nodeid] = report.outcome
    return report  # type: ignore[return-value]  # pytest's protocol for wrappers


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not _results:
        return
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text("\n".join(_lines()), encoding="utf-8")
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(f"\nThe report is in {REPORT}.")


def _lines() -> Iterator[str]:
    yield "# Drill"
    yield ""
    yield f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, Python {platform.python_version()}, {platform.machine()}."
    yield ""
    yield "| fault | outcome | seconds | figures |"
    yield "|---|---|---|---|"
    for nodeid, story, took, told in _results:
        shown = ", ".join(f"{name}: {_shown(value)}" for name, value in told.items())
        yield f"| {story} | {_outcomes.get(nodeid, 'failed')} | {took:.1f} | {shown} |"
    yield ""


def _shown(value: str | float) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


@pytest.fixture
def timed() -> Callable[[Callable[[], object]], float]:
    """A function that gives the seconds that a call took."""

    def measure(call: Callable[[], object]) -> float:
        started = perf_counter()
        call()
        return perf_counter() - started

    return measure
