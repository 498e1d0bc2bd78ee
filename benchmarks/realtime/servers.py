"""Servers under test and the crowds in their rooms, on cores of their own where there are two."""

import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, cast

import psutil

from benchmarks.realtime.contestants import BENCH, ROOT, Contestant

_CORES: Final = sorted(os.sched_getaffinity(0))
# The server has one of them for itself; crowd, sender and Redis share the others.
_SERVERS, _OTHERS = ({_CORES[0]}, set(_CORES[1:])) if len(_CORES) > 1 else (set(_CORES), set(_CORES))
_PATIENCE: Final = 60.0


class Server:
    """A contestant that runs, with a crowd that is not there yet."""

    def __init__(self, contestant: Contestant, environment: Mapping[str, str]) -> None:
        self.contestant = contestant
        self._port = _free_port()
        self._environment = {**os.environ, **environment, **contestant.environment}
        self._log = (BENCH / f"{contestant.name}.log").open("wb")
        self._process = self._start(contestant.command(self._port), _SERVERS, stdout=self._log)
        self._wait()
        command = [sys.executable, "-m", "benchmarks.realtime.crowd", str(self._port)]
        command += [contestant.path, contestant.engine, *contestant.sender]
        self._crowd = self._start(command, _OTHERS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._commands, self._answers = cast("IO[str]", self._crowd.stdin), cast("IO[str]", self._crowd.stdout)

    def ask(self, do: str, **command: Any) -> dict[str, Any]:
        """Have the crowd do something, and return its answer, with the seconds of the server's CPU that it took.

        Raises:
            SystemExit: If it cannot.
        """
        self._commands.write(json.dumps({"do": do, **command}) + "\n")
        self._commands.flush()
        began = ended = self._cpu()
        for line in self._answers:
            if line == "begin\n":
                began = self._cpu()
            elif line == "end\n":
                ended = self._cpu()
            else:
                answer: dict[str, Any] = json.loads(line)
                return {**answer, "cpu": ended - began}
        raise SystemExit(f"The crowd of {self.contestant.title} broke off; see {self._log.name}.")

    def memory(self) -> int:
        """Return the bytes that the server has in memory."""
        return sum(int(process.memory_info().rss) for process in self._family(self._process))

    def stop(self) -> None:
        """End it, its crowd and its sender."""
        family = self._family(self._crowd) + self._family(self._process)
        for process in family:
            process.terminate()
        # One with ten thousand sockets takes its time.
        for process in psutil.wait_procs(family, timeout=20)[1]:
            process.kill()
        self._log.close()

    def _start(self, command: list[str], cores: set[int], **options: Any) -> subprocess.Popen[Any]:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=self._environment,
            stderr=self._log,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),  # noqa: PLW1509  # this process has no threads
            **options,
        )

    def _wait(self) -> None:
        give_up = time.monotonic() + _PATIENCE
        while time.monotonic() < give_up and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self._port), 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise SystemExit(f"{self.contestant.title} does not serve; see {self._log.name}.")

    @staticmethod
    def _family(process: subprocess.Popen[Any]) -> list[psutil.Process]:
        if process.poll() is not None:
            return []
        main = psutil.Process(process.pid)
        return [main, *main.children(recursive=True)]

    def _cpu(self) -> float:
        """Return the seconds of CPU so far, which the kernel counts to the nanosecond beside the clock ticks."""
        return sum(
            int(Path(f"/proc/{process.pid}/task/{thread.id}/schedstat").read_text("ascii").split()[0]) / 1e9
            for process in self._family(self._process)
            for thread in process.threads()
        )


@contextmanager
def apart(redis: Any) -> Iterator[None]:
    """Keep Redis, if it runs on this machine, off the servers' core until the end of the block; allow many files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    number = redis.info("server")["process_id"]
    process = psutil.Process(number) if psutil.pid_exists(number) else None
    before = process.cpu_affinity() if process else None
    if process:
        process.cpu_affinity(sorted(_OTHERS))
    try:
        yield
    finally:
        if process:
            process.cpu_affinity(before)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
