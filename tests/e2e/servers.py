"""The programs of a deployment, each in a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import requests

from tests.infrastructure.queue.servers import free_port, wait_until

# No request may take longer, whatever it holds.
PATIENCE: Final = 5


@dataclass(frozen=True)
class Server:
    """A web server that listens on this machine.

    Args:
        process: What it runs in, for whoever wants to end it.
    """

    port: int
    process: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def send(
        self, method: str, path: str, *, token: str | None = None, timeout: float = PATIENCE, **options: Any
    ) -> requests.Response:
        """Send one request over a connection of its own; `options` are those of requests."""
        headers = {**options.pop("headers", {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        with requests.Session() as session:
            # A proxy of the machine has no business with its own loopback.
            session.trust_env = False
            return session.request(method, self.url + path, headers=headers, timeout=timeout, **options)


def uvicorn(port: int, application: str = "config.asgi:application") -> list[str]:
    """Return the command of `make run`, which serves HTTP and sockets over ASGI."""
    command = [sys.executable, "-m", "uvicorn", application, "--host", "127.0.0.1", "--port", str(port)]
    command += ["--ws=infrastructure.realtime.protocol:FrameProtocol"]
    return [*command, "--no-proxy-headers", "--no-access-log", "--no-use-colors"]


def with_sockets_of_tests(port: int) -> list[str]:
    """Return the same command, with sockets besides those of the project."""
    return uvicorn(port, "tests.e2e.sockets:application")


def gunicorn(port: int, *, workers: int = 1) -> list[str]:
    """Return the command of production, which serves HTTP over WSGI."""
    command = [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{port}", f"--workers={workers}"]
    return [*command, "--worker-class=gthread", "--threads=8", "--preload", "--no-control-socket"]


@contextmanager
def running(command: Callable[[int], list[str]], *, log: Path, environment: dict[str, str]) -> Iterator[Server]:
    """Run a web server until the end of the block."""
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command(port),
            env={**os.environ, **environment},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    server = Server(port, process)
    try:
        wait_until(lambda: _answers(server), seconds=40)
        yield server
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=10)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _answers(server: Server) -> bool:
    try:
        return server.send("GET", "/health/ready/").status_code == 200
    except (requests.ConnectionError, requests.Timeout):
        # Not up, or up and busy with its first look at everything.
        return False
