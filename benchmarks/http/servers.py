"""Servers under test, and what loads them: each in processes of its own."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from benchmarks.http.contestants import BENCH, Contestant
from benchmarks.http.loader import SEPARATOR

_HERE: Final = Path(__file__).parent
_CORES: Final = sorted(os.sched_getaffinity(0))
# Where there are two, what is measured has one of them for itself.
_SERVERS_CORES, _LOADERS_CORES = ({_CORES[0]}, set(_CORES[1:])) if len(_CORES) > 1 else (set(_CORES), set(_CORES))


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of load has shown.

    Args:
        rate: Requests a second.
        cpu: Microseconds of the server's processes for a request.
        p50: Milliseconds, as p99.
        refused: Answers above 399.
    """

    rate: float
    cpu: float
    p50: float
    p99: float
    requests: int
    refused: int


class Server:
    """A contestant that runs."""

    def __init__(self, contestant: Contestant, environment: Mapping[str, str]) -> None:
        self.contestant = contestant
        self.port = _free_port()
        self._log = BENCH / f"{self.port}.log"
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                contestant.command(self.port),
                cwd=contestant.folder,
                env={**os.environ, **environment, **contestant.environment},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait(self, request: bytes) -> None:
        """Wait until it answers a request as it will answer all of them.

        Raises:
            SystemExit: If it does not.
        """
        give_up = time.monotonic() + 90
        answer = b""
        while time.monotonic() < give_up and self._process.poll() is None:
            try:
                answer = self.answer(request)
            except OSError:
                time.sleep(0.1)
                continue
            if answer.startswith(b"HTTP/1.1 200"):
                return
            break
        tail = self._log.read_text(errors="replace")[-2_000:]
        raise SystemExit(f"{self.contestant.title} does not serve.\n{answer.decode(errors='replace')[:1_000]}\n{tail}")

    def answer(self, request: bytes) -> bytes:
        """Return the head of the answer to a request, and as much of its body as came with it."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(request)
            return connection.recv(65_536)

    def load(self, requests: Sequence[bytes], *, connections: int, seconds: int, apart: bool = False) -> Round:
        """Load the server, on cores of its own if `apart`.

        Raises:
            SystemExit: If a connection breaks.
        """
        if apart:
            self._pin(_SERVERS_CORES)
        before = self._cpu()
        shown = self.loader(requests, connections=connections, seconds=seconds, apart=apart).result()
        spent = self._cpu() - before
        if apart:
            self._pin(set(_CORES))
        if shown["broken"]:
            raise SystemExit(f"{self.contestant.title} broke {shown['broken']} of {shown['requests']} requests.")
        done = shown["requests"]
        if not done:
            # All that is known is that nobody was answered in this time.
            return Round(rate=0, cpu=spent * 1e6, p50=seconds * 1e3, p99=seconds * 1e3, requests=0, refused=0)
        return Round(
            rate=done / shown["seconds"],
            cpu=spent / done * 1e6,
            p50=shown["p50"],
            p99=shown["p99"],
            requests=done,
            refused=shown["refused"],
        )

    def warm_up(self, requests: Sequence[bytes], *, connections: int) -> None:
        """Let it open its connections and import what it imports late, however long that takes."""
        for seconds in (2, 2, 10):
            if self.loader(requests, connections=connections, seconds=seconds).result()["requests"] > connections:
                return

    def loader(self, requests: Sequence[bytes], *, connections: int, seconds: int, apart: bool = False) -> "Loader":
        """Begin to load the server."""
        return Loader(self.port, requests, connections=connections, seconds=seconds, apart=apart)

    def latencies(self, requests: Iterable[bytes]) -> list[float]:
        """Return the milliseconds that each of the requests took, over one connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        taken = []
        for request in requests:
            method, path, headers = _parts(request)
            started = time.perf_counter()
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            response.read()
            taken.append((time.perf_counter() - started) * 1e3)
            if response.status != http.HTTPStatus.OK:
                raise SystemExit(f"{method} {path}: {response.status}")
        connection.close()
        return taken

    def stop(self) -> None:
        """End its processes; those that do not go are killed."""
        family = self._family()
        self._process.terminate()
        _, left = psutil.wait_procs(family, timeout=10)
        for process in left:
            process.kill()
        self._process.wait(10)
        self._log.unlink()

    def _family(self) -> list[psutil.Process]:
        main = psutil.Process(self._process.pid)
        return [main, *main.children(recursive=True)]

    def _cpu(self) -> float:
        return sum(sum(process.cpu_times()[:2]) for process in self._family())

    def _pin(self, cores: set[int]) -> None:
        for process in self._family():
            for thread in process.threads():
                try:
                    os.sched_setaffinity(thread.id, cores)
                except ProcessLookupError:
                    # It has ended since.
                    continue


class Loader:
    """A process that loads a server: wrk, or else our own."""

    def __init__(self, port: int, requests: Sequence[bytes], *, connections: int, seconds: int, apart: bool) -> None:
        self._file = BENCH / f"{port}-{time.monotonic_ns()}.requests"
        self._file.write_bytes(b"".join(request + SEPARATOR for request in requests))
        own = [
            sys.executable,
            "-m",
            "benchmarks.http.loader",
            str(port),
            str(self._file),
            str(connections),
            str(seconds),
        ]
        wrk = ["wrk", "--threads=1", f"--connections={connections}", f"--duration={seconds}s", "--timeout=20s"]
        wrk += [f"--script={_HERE / 'rotate.lua'}", f"http://127.0.0.1:{port}", "--", str(self._file)]
        self._process = subprocess.Popen(
            wrk if has_wrk() else own,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if apart:
            # It has begun with no other thread yet, and those that come are where this one is.
            os.sched_setaffinity(self._process.pid, _LOADERS_CORES)

    def result(self) -> dict[str, Any]:
        """Wait for its end, and return what it prints."""
        out, error = self._process.communicate(timeout=120)
        self._file.unlink()
        if self._process.returncode:
            raise SystemExit(f"The load broke off.\n{error}")
        shown: dict[str, Any] = json.loads(out.splitlines()[-1])
        return shown


def has_wrk() -> bool:
    return shutil.which("wrk") is not None


def _parts(request: bytes) -> tuple[str, str, dict[str, str]]:
    first, *lines = request.decode("ascii").rstrip("\r\n").split("\r\n")
    method, path, _ = first.split(" ")
    return method, path, dict(line.split(": ", 1) for line in lines)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
