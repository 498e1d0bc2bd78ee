"""What tracing and the guard cost where nobody traces: `make bench ARGS="tracing"`."""

import argparse
import http.client
import json
import os
import resource
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from threading import Thread
from typing import Any, Final

import psutil

from benchmarks.services import services
from layerline.gate import production_environment

ROOT: Final = Path(__file__).resolve().parents[2]
_NAME: Final = "layerline_bench"
_HOST: Final = "api.internal"
# TLS ends at a proxy in production, and this process stands for it.
_HEADERS: Final = {"Host": _HOST, "X-Forwarded-Proto": "https", "Content-Type": "application/json"}
_SUITE: Final = ("apps/users/tests/views", "-q", "-p", "no:randomly", "-m", "not slow")


@dataclass(frozen=True, slots=True)
class Measured:
    """One round of one contestant, per request."""

    seconds: float
    cpu: float


class Server:
    """A production server, and one connection to it."""

    def __init__(self, application: str, environment: Mapping[str, str]) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "gunicorn", application, "--bind", f"127.0.0.1:{self.port}", "--workers=1"]
        self._process = subprocess.Popen(
            [
                *command,
                "--worker-class=gthread",
                "--threads=4",
                "--keep-alive=600",
                "--no-control-socket",
                "--log-level=error",
            ],
            cwd=ROOT,
            env={**os.environ, **environment},
            stderr=subprocess.DEVNULL,
        )
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        self._headers = dict(_HEADERS)

    def wait(self) -> None:
        """Wait until it answers."""
        give_up = time.monotonic() + 60
        while time.monotonic() < give_up:
            try:
                self.send("GET", "/health/live/")
            except OSError:
                self._connection.close()
                time.sleep(0.1)
            else:
                return
        raise SystemExit("The server does not answer.")

    def send(self, method: str, path: str, body: Any = None) -> Any:
        self._connection.request(method, path, body and json.dumps(body), self._headers)
        response = self._connection.getresponse()
        answer = response.read()
        if response.status >= http.HTTPStatus.BAD_REQUEST:
            raise SystemExit(f"{method} {path}: {response.status}\n{answer.decode()[:500]}")
        return json.loads(answer)

    def sign_in(self) -> None:
        """Make an account, and send its token from now on."""
        account = {"email": f"{secrets.token_hex(8)}@bench.internal", "password": secrets.token_urlsafe(24)}
        self.send("POST", "/api/v1/auth/register/", {**account, "name": "Bench"})
        access = self.send("POST", "/api/v1/auth/login/", account)["access"]
        self._headers["Authorization"] = f"Bearer {access}"

    def measure(self, requests: int) -> Measured:
        before, started = self._cpu(), time.perf_counter()
        for _ in range(requests):
            self.send("GET", "/api/v1/auth/me/")
        seconds = time.perf_counter() - started
        return Measured(seconds / requests, (self._cpu() - before) / requests)

    def stop(self) -> None:
        self._connection.close()
        self._process.terminate()
        self._process.wait(30)

    def _cpu(self) -> float:
        workers = psutil.Process(self._process.pid).children()
        return sum(sum(worker.cpu_times()[:2]) for worker in workers)


@contextmanager
def collector() -> Iterator[str]:
    """Give the address of a receiver of spans that throws them away."""

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def serve(rounds: int, requests: int) -> dict[str, list[Measured]]:
    """Measure each server in turn, round after round."""
    with ExitStack() as stack:
        environment = {**production_environment(), **stack.enter_context(services(_NAME))}
        environment |= {"REDIS_KEY_PREFIX": _NAME, "ALLOWED_HOSTS": _HOST, "TRUSTED_PROXIES": "127.0.0.1"}
        environment |= {f"THROTTLE_{name}": "1000000/min" for name in ("BURST", "SUSTAINED", "REGISTER", "LOGIN")}
        environment |= {"LOG_LEVEL": "WARNING"}
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
        subprocess.run(migrate, cwd=ROOT, env={**os.environ, **environment}, check=True)
        exporting = {"OTEL_EXPORTER_OTLP_ENDPOINT": stack.enter_context(collector())}
        bare = {"DJANGO_SETTINGS_MODULE": "benchmarks.tracing.bare_settings"}
        servers: dict[str, Server] = {}
        for name, application, changes in (
            ("absent", "benchmarks.tracing.bare_wsgi", bare),
            ("off", "config.wsgi", {}),
            ("exporting", "config.wsgi", exporting),
        ):
            servers[name] = server = Server(application, environment | changes)
            stack.callback(server.stop)
            server.wait()
            server.sign_in()
            server.measure(requests)
        measured: dict[str, list[Measured]] = {name: [] for name in servers}
        for number in range(rounds):
            # Whoever comes first in one round comes last in another.
            for name in sorted(servers, key=lambda name: (list(servers).index(name) + number) % len(servers)):
                measured[name].append(servers[name].measure(requests))
    return measured


def suite(rounds: int) -> dict[str, list[Measured]]:
    """Run a part of the suite without and with the guard, in turn."""
    measured: dict[str, list[Measured]] = {"without": [], "with": []}
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.test"}
    for number in range(rounds):
        for name in ("without", "with") if number % 2 else ("with", "without"):
            options = ["--layers-off"] if name == "without" else []
            before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            command = [sys.executable, "-m", "pytest", *_SUITE, *options]
            subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            measured[name].append(Measured(time.perf_counter() - started, cpu))
    return measured


def table(measured: Mapping[str, list[Measured]], unit: str, factor: float) -> str:
    """Return a line for each contestant: medians, and the median of its ratios to the first with the middle half."""
    base = next(iter(measured.values()))
    lines = [f"{'':<12}{'time ' + unit:>12}{'CPU ' + unit:>12}{'CPU ratio':>12}   (middle half)"]
    for name, rounds in measured.items():
        ratios = sorted(mine.cpu / other.cpu for mine, other in zip(rounds, base, strict=True))
        low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
        seconds, cpu = (factor * median(values) for values in ([m.seconds for m in rounds], [m.cpu for m in rounds]))
        lines.append(f"{name:<12}{seconds:>12.1f}{cpu:>12.1f}{median(ratios):>12.3f}   ({low:.3f} to {high:.3f})")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="of each server")
    parser.add_argument("--requests", type=int, default=400, help="in a round")
    parser.add_argument("--suites", type=int, default=3, help="runs of the suite's part, with and without the guard")
    options = parser.parse_args()
    served = serve(options.rounds, options.requests)
    print(f"GET /api/v1/auth/me/, {options.rounds} rounds of {options.requests} requests over one connection\n")
    print(table(served, "µs", 1_000_000))
    if options.suites:
        print(f"\npytest {' '.join(_SUITE)}, {options.suites} runs, the guard absent and present\n")
        print(table(suite(options.suites), "s", 1))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
