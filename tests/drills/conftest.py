"""Faults, one after the other, each with figures in a report: `make drill`."""

import platform
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from time import perf_counter
from typing import Final

import pytest
from django.db import connections

from infrastructure.queue import jobs, publisher
from tests.drills.scene import Figures, Stage
from tests.infrastructure.queue.conftest import *  # noqa: F403  # the broker and the log of jobs, for drills too
from tests.infrastructure.queue.servers import Broker, mail_server

REPORT: Final = Path(".dev/drill.md")

_results: Final[list[tuple[str, str, float, Figures]]] = []
_outcomes: Final[dict[str, str]] = {}
_began: Final = perf_counter()


@pytest.fixture
def stage(broker: Broker, tmp_path: Path) -> Iterator[Stage]:
    """A broker and a mail server of the test's own."""
    with mail_server() as mailbox:
        yield Stage(broker, mailbox, tmp_path)


@pytest.fixture
def relaying() -> Iterator[None]:
    """What beat and a worker do in life: a relay every few seconds. Every second here."""
    ended = Event()

    def relay() -> None:
        while not ended.wait(1):
            jobs.fail_unknown()
            publisher.relay()
        connections.close_all()

    thread = Thread(target=relay)
    thread.start()
    yield
    ended.set()
    thread.join()


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Iterator[Figures]:
    """What a drill wants to tell, by name."""
    told: Figures = {}
    started = perf_counter()
    yield told
    story = (request.function.__doc__ or request.node.name).strip()
    if hasattr(request.node, "callspec"):
        story = f"{story.rstrip('.')}: {request.node.callspec.id}."
    _results.append((request.node.nodeid, story, perf_counter() - started, told))


@pytest.fixture
def progress(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """A function that shows at once what a drill is at."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    reporter = request.config.pluginmanager.getplugin("terminalreporter")
    started = perf_counter()

    def tell(text: str) -> None:
        with capture.global_and_fixture_disabled():
            reporter.write_line(f"\n    {perf_counter() - started:5.0f} s  {text}")

    return tell


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
    machine = f"Python {platform.python_version()}, {platform.machine()}"
    yield f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine}, {perf_counter() - _began:.0f} s in all."
    yield ""
    yield "| fault | outcome | seconds | figures |"
    yield "|---|---|---|---|"
    for nodeid, story, seconds, told in _results:
        shown = ", ".join(f"{name}: {_shown(value)}" for name, value in told.items())
        yield f"| {story} | {_outcomes.get(nodeid, 'failed')} | {seconds:.1f} | {shown} |"
    yield ""


def _shown(value: str | float) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
