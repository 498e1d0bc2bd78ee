"""A real server, a hundred readers who never read, and one who does."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import quantiles

import psutil
import pytest

from infrastructure.realtime.outlets import BACKLOG, FRAMES
from tests.infrastructure.queue.servers import wait_until
from tests.infrastructure.realtime.servers import HURRIED_PROTOCOL, TEXT, Process, Served, Wire, in_process

pytestmark = pytest.mark.slow

SLOW = 100
TEXT_OF_A_KILOBYTE = "x" * 1_020
# What the system keeps of a connection, on both sides together.
IN_THE_SYSTEM = 1024 * 1024


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Process]:
    with in_process(tmp_path / "slow.log") as server:
        yield server
        assert "Traceback" not in server.said()


def _speak(speaker: Wire, size: int) -> list[float]:
    """Say so many bytes to everybody, hear all of them, and return the seconds that each text took."""
    took = []
    for _ in range(size // 1_024):
        started = time.perf_counter()
        speaker.say(TEXT_OF_A_KILOBYTE)
        assert speaker.hear() == (TEXT, TEXT_OF_A_KILOBYTE.encode())
        took.append(time.perf_counter() - started)
    return took


def _cpu(process: psutil.Process) -> float:
    """Return the seconds of the processor that it has had so far."""
    return float(sum(process.cpu_times()[:2]))


def _connections(server: Process) -> int:
    return sum(one.status == "ESTABLISHED" for one in psutil.Process(server.pid).net_connections())


def test_whoever_never_reads_is_closed_with_4431_and_costs_the_others_nothing(server: Process) -> None:
    process = psutil.Process(server.pid)
    with ExitStack() as stack:
        speaker = stack.enter_context(Wire(server.port)).open("crowd")
        slow = [stack.enter_context(Wire(server.port)).open("crowd") for _ in range(SLOW)]
        before = process.memory_info().rss

        took = _speak(speaker, IN_THE_SYSTEM + BACKLOG)
        started = _cpu(process)
        _speak(speaker, IN_THE_SYSTEM + BACKLOG)
        cost_with_them = _cpu(process) - started

        # What waits for them, and not what was said: flat, however long it goes on.
        assert process.memory_info().rss - before < SLOW * (BACKLOG + 64 * 1024)
        # Nobody waits for them.
        assert quantiles(took, n=100)[98] < 1
        codes = set()
        for reader in slow:
            while (heard := reader.hear())[0] == TEXT:
                pass
            codes.add(int.from_bytes(heard[1][:2]))
        assert codes == {4431}
    with Wire(server.port) as speaker:
        speaker.open("crowd")
        started = _cpu(process)
        _speak(speaker, IN_THE_SYSTEM + BACKLOG)
        # They are given nothing any more, so they cost nothing.
        assert cost_with_them < 3 * (_cpu(process) - started) + 0.05


def test_whoever_does_not_even_read_why_is_given_up(tmp_path: Path) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(in_process(tmp_path / "hurried.log", protocol=HURRIED_PROTOCOL))
        speaker = stack.enter_context(Wire(server.port)).open("crowd")
        for _ in range(SLOW):
            stack.enter_context(Wire(server.port)).open("crowd")
        assert _connections(server) == SLOW + 1

        _speak(speaker, IN_THE_SYSTEM + BACKLOG)

        wait_until(lambda: _connections(server) == 1, seconds=15)
        assert _speak(speaker, 1_024)


def test_on_a_server_without_whole_frames_texts_arrive_and_whoever_falls_behind_is_told() -> None:
    with (
        Served(ws="auto") as server,
        Wire(server.port) as asking,
        Wire(server.port) as speaker,
        Wire(server.port) as slow,
    ):
        asking.open("extensions").say("?")
        assert FRAMES.encode() not in asking.hear()[1]
        slow.open("crowd")
        speaker.open("crowd")
        # The system takes megabytes before anything waits here.
        _speak(speaker, 16 * IN_THE_SYSTEM)

        while (heard := slow.hear())[0] == TEXT:
            pass

        assert int.from_bytes(heard[1][:2]) == 4431
