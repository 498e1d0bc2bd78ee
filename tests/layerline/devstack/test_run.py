"""`run`: everything comes up, stays up, and goes down without leaving anything."""

import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable
from threading import Thread

import psutil
import pytest

from layerline.devstack.ports import is_free
from tests.layerline.devstack.support import Project, is_alive, processes_below, wait_until

pytestmark = pytest.mark.slow


class Run:
    """A started `run`, and what it has said so far."""

    def __init__(self, project: Project, environment: dict[str, str] | None = None) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.project = project
        self.process = project.start("run", environment={"PORT": str(self.port), **(environment or {})})
        self.said = ""
        self._reader = Thread(target=self._listen, daemon=True)
        self._reader.start()

    def wait_for(self, text: str, *, times: int = 1) -> None:
        try:
            wait_until(lambda: self.said.count(text) >= times, seconds=30)
        except AssertionError:
            raise AssertionError(f"{text!r} was not said, but:\n{self.said}") from None

    def page(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5) as answer:
            return str(answer.read().decode())

    def end(self, how: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(how)
        code = self.process.wait(timeout=30)
        self._reader.join(timeout=5)
        return code

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line


@pytest.fixture
def run(project: Project) -> Callable[..., Run]:
    project.write_sources()
    return lambda **environment: Run(project, environment)


def test_everything_comes_up_and_ctrl_c_takes_all_of_it_down(run: Callable[..., Run], project: Project) -> None:
    started = run()
    started.wait_for("Stop ")
    started.wait_for("worker  | worker ready")
    started.wait_for("beat    | beat ready")

    assert started.page() == f"{project.postgres.url} {project.valkey.url}"
    address = f"http://127.0.0.1:{started.port}"
    for path in ("/", "/api/docs/", "/admin/", "/dev/mailbox/", "/health/ready/"):
        assert f" {address}{path}\n" in started.said
    assert 'make manage ARGS="createsuperuser"' in started.said
    assert "\x1b[" not in started.said
    assert started.end() == 0
    assert processes_below(project.root) == []
    assert not (project.root / ".dev" / "run.json").exists()
    assert is_free(started.port)


def test_worker_and_beat_take_nothing_from_the_start_of_the_web_server(
    run: Callable[..., Run], project: Project
) -> None:
    program = project.root / "config" / "asgi.py"
    slow = "import time\ntime.sleep(1)\nprint('loaded', flush=True)\n"
    program.write_text(slow + program.read_text(encoding="utf-8"), encoding="utf-8")

    started = run()

    started.wait_for("worker ready")
    assert started.said.index("web     | loaded") < started.said.index("worker  | worker ready")
    started.end()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
def test_other_requests_to_end_are_followed_as_well(
    run: Callable[..., Run], project: Project, how: signal.Signals
) -> None:
    started = run()
    started.wait_for("Stop ")

    assert started.end(how) == 0
    assert processes_below(project.root) == []


def test_a_second_run_is_refused_and_stop_ends_the_first(run: Callable[..., Run], project: Project) -> None:
    started = run()
    started.wait_for("Stop ")

    refusal = project.command("run", expected=1)
    status = project.command("status")
    stopped = project.command("stop")

    assert refusal == f"error: The project runs already: http://127.0.0.1:{started.port}/. `make stop` ends it.\n"
    assert f"run           http://127.0.0.1:{started.port}/\n" in status
    assert "Stopped the run." in stopped
    assert started.process.wait(timeout=20) == 0
    assert processes_below(project.root) == []


def test_a_run_that_still_waits_for_its_services_is_known_and_ended(run: Callable[..., Run], project: Project) -> None:
    project.state.prepare()
    with project.state.lock():
        started = run()
        wait_until(lambda: project.state.read_json("run.json"))
        refusal = project.command("run", expected=1)
        stop = project.start("stop")
        assert started.process.wait(timeout=20) == -signal.SIGTERM

    assert refusal == f"error: The project runs already: http://127.0.0.1:{started.port}/. `make stop` ends it.\n"
    assert stop.communicate(timeout=20)[0].startswith("Stopped the run.\n")
    assert not (project.root / ".dev" / "run.json").exists()


def test_commands_beside_a_run_leave_its_services_up(run: Callable[..., Run], project: Project) -> None:
    started = run()
    started.wait_for("Stop ")
    before = project.server_pids()

    assert project.command("manage", "showmigrations") == "manage showmigrations\n"

    assert project.server_pids() == before
    started.end()


def test_services_that_die_are_back_within_seconds_on_the_same_ports(run: Callable[..., Run], project: Project) -> None:
    started = run()
    started.wait_for("Stop ")
    before = project.server_pids()
    ports = project.state.read_json("ports.json")
    begin = time.monotonic()
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)

    started.wait_for("answers again")

    wait_until(lambda: len(project.server_pids()) == 2)
    assert time.monotonic() - begin < 10
    assert project.state.read_json("ports.json") == ports
    assert project.sql("SELECT 1") == "1"
    assert started.end() == 0
    assert processes_below(project.root) == []


def test_a_program_that_dies_is_started_again(run: Callable[..., Run], project: Project) -> None:
    started = run()
    started.wait_for("worker ready")
    started.wait_for("Stop ")
    worker = next(p for p in processes_below(project.root) if "worker" in p.cmdline())

    worker.kill()

    started.wait_for("worker ended by signal SIGKILL; it starts again in 0.5 s.")
    started.wait_for("worker ready", times=2)
    started.end()


def test_a_program_that_dies_again_and_again_ends_the_run_with_what_it_said(
    run: Callable[..., Run], project: Project
) -> None:
    (project.root / "broken-worker").touch()

    started = run()

    assert started.process.wait(timeout=40) == 1
    started.wait_for("error: worker died 4 times in a row, last by exit code 1. It said:\n")
    assert started.said.endswith("  worker cannot start: no such module\n")
    assert processes_below(project.root) == []


def test_a_failing_migration_ends_the_run_with_what_it_said(run: Callable[..., Run], project: Project) -> None:
    (project.root / "broken-migration").touch()

    started = run()

    assert started.process.wait(timeout=30) == 1
    started.wait_for("migrate | no such column: shoe_size\n")
    started.wait_for("error: The migrations failed")
    assert processes_below(project.root) == []


def test_changed_code_reaches_worker_and_beat(run: Callable[..., Run], project: Project) -> None:
    started = run()
    started.wait_for("Stop ")
    started.wait_for("worker ready")
    time.sleep(0.5)  # The watcher has no way to say that it has begun.

    (project.root / "config" / "tasks.py").write_text("", encoding="utf-8")

    started.wait_for("Code changed; worker and beat start again.")
    started.wait_for("worker ready", times=2)
    assert started.end() == 0


def test_what_a_killed_run_left_is_ended_by_the_next(run: Callable[..., Run], project: Project) -> None:
    killed = run()
    killed.wait_for("Stop ")
    services = project.server_pids()
    orphans = [p for p in processes_below(project.root) if "layerline_run" in str(p.environ()).lower()]
    os.kill(killed.process.pid, signal.SIGKILL)
    killed.process.wait()
    assert len([orphan for orphan in orphans if orphan.is_running()]) >= 3

    started = run(PORT=str(killed.port))

    started.wait_for("processes that a killed run had left.")
    started.wait_for("Stop ")
    assert project.server_pids() == services
    assert not any(is_alive(orphan.pid) for orphan in orphans)
    assert started.end() == 0
    assert processes_below(project.root) == []


def test_stop_ends_what_a_killed_run_left(run: Callable[..., Run], project: Project) -> None:
    killed = run()
    killed.wait_for("Stop ")
    os.kill(killed.process.pid, signal.SIGKILL)
    killed.process.wait()

    project.command("stop")

    assert processes_below(project.root) == []


def test_a_taken_port_is_told_before_anything_starts(project: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        output = project.command("run", environment={"PORT": str(port)}, expected=1)

    name = psutil.Process().name()
    assert output.startswith(f"error: Port {port} is taken by pid {os.getpid()} ({name}). Choose another: PORT=")
    assert output.endswith(" make run\n")
    assert project.server_pids() == {}


@pytest.mark.parametrize("port", ["0", "65536", "eighty", "8000 ", "-1"])
def test_a_port_that_is_none_is_refused(project: Project, port: str) -> None:
    output = project.command("run", environment={"PORT": port}, expected=1)

    assert output == "error: PORT is not a whole number from 1 to 65535.\n"


def test_a_second_ctrl_c_waits_for_nobody(run: Callable[..., Run], project: Project) -> None:
    program = project.root / "celery" / "__main__.py"
    stubborn = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('stubborn', flush=True)\n"
    program.write_text(stubborn + "time.sleep(600)\n", encoding="utf-8")
    started = run()
    started.wait_for("worker  | stubborn")
    started.wait_for("beat    | stubborn")
    started.wait_for("Stop ")
    started.process.send_signal(signal.SIGINT)
    started.wait_for("Stopping")
    begin = time.monotonic()

    with pytest.raises(subprocess.TimeoutExpired):
        started.process.wait(timeout=1)
    assert started.end() == 0

    assert time.monotonic() - begin < 10
    assert processes_below(project.root) == []
