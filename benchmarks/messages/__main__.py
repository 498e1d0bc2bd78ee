"""How many messages a second are stored, told and acknowledged: `make bench ARGS="messages"`."""

import argparse
import asyncio
import base64
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import psutil
import requests

from benchmarks.services import services
from layerline.gate import production_environment

ROOT: Final = Path(__file__).resolve().parents[2]
_PREFIX: Final = "layerline_bench_messages"
_HOST: Final = "api.internal"
_PASSWORD: Final = "nine hundred lanterns"  # noqa: S105  # of people who are made up
_SCOPES: Final = (
    *("BURST", "SUSTAINED", "ANONYMOUS_BURST", "ANONYMOUS_SUSTAINED", "REGISTER", "REGISTER_ADDRESS"),
    *("LOGIN", "LOGIN_ADDRESS", "MESSAGES", "FRAMES", "SOCKETS"),
)
_ACK: Final = b'{"type": "ack"'
_PUSHED: Final = b'{"type": "message"'


@dataclass(slots=True)
class Tally:
    """What came back.

    Args:
        waits: Seconds from a message to its acknowledgement.
        pushed: Messages that were told to somebody.
    """

    waits: list[float] = field(default_factory=list)
    pushed: int = 0
    errors: list[bytes] = field(default_factory=list)


class Speaker(asyncio.Protocol):
    """A member of a room who says something, and the next thing once that is acknowledged.

    As little of a WebSocket client as measures the server and not itself: it looks for what an answer begins with.
    """

    def __init__(self, host: str, path: str, token: str, tally: Tally) -> None:
        self._request = _handshake(host, path, token)
        self._tally = tally
        self._data = b""
        self.is_in = asyncio.get_running_loop().create_future()
        self._sent_at = 0.0
        self._is_going = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if not self.is_in.done():
            self._data += data
            if b'"type": "welcome"' in self._data:
                self.is_in.set_result(None)
            return
        # A mark that is cut in two is found with the next piece.
        data = self._data[-len(_PUSHED) :] + data if self._data else data
        self._data = data
        self._tally.pushed += data.count(_PUSHED)
        if b'{"type": "error"' in data:
            self._tally.errors.append(data[:300])
        if _ACK in data:
            self._data = b""
            self._tally.waits.append(time.perf_counter() - self._sent_at)
            if self._is_going:
                self.speak()

    def connection_lost(self, _: Exception | None) -> None:
        if not self.is_in.done():
            self.is_in.set_exception(ConnectionError(self._data[:300].decode(errors="replace")))

    def speak(self) -> None:
        self._is_going = True
        self._sent_at = time.perf_counter()
        frame = {"type": "message", "message": "Lamps are lit, and the tide is in.", "client_id": uuid4().hex}
        self._transport.write(_masked(json.dumps(frame).encode()))

    def stop(self) -> None:
        self._is_going = False

    def close(self) -> None:
        self._transport.close()


def _handshake(host: str, path: str, token: str) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Protocol: layerline.v1, bearer.{token}",
        "",
        "",
    ]
    return "\r\n".join(lines).encode()


def _masked(payload: bytes) -> bytes:
    """Return a frame whose mask is zero, which changes nothing."""
    size = len(payload)
    length = bytes((0x80 | size,)) if size < 126 else bytes((0x80 | 126,)) + size.to_bytes(2)  # noqa: PLR2004  # RFC 6455
    return b"\x81" + length + b"\0\0\0\0" + payload


@dataclass(frozen=True, slots=True)
class Measured:
    """One round: messages a second, milliseconds until each was acknowledged, and seconds of CPU for each program."""

    rate: float
    median: float
    p99: float
    told: float
    cpu: Mapping[str, float]


class Deployment:
    """Processes that serve sockets, with people in rooms."""

    def __init__(self, processes: int, environment: Mapping[str, str]) -> None:
        self.ports = [free_port() for _ in range(processes)]
        self.processes = [_serve(port, environment) for port in self.ports]
        for port in self.ports:
            _wait(port)

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(30)

    def send(self, method: str, path: str, body: Mapping[str, Any], token: str = "") -> dict[str, Any]:
        # TLS ends at a proxy in production, and this process stands for it.
        headers = {"Host": _HOST, "X-Forwarded-Proto": "https", "Authorization": f"Bearer {token}"}
        answer = requests.request(
            method, f"http://127.0.0.1:{self.ports[0]}/api/v1{path}", json=body, headers=headers, timeout=30
        )
        answer.raise_for_status()
        made: dict[str, Any] = answer.json()
        return made

    def token(self, number: int) -> str:
        """Return an access token of a new person."""
        credentials = {"email": f"{number}-{uuid4().hex}@example.com", "password": _PASSWORD}
        self.send("POST", "/auth/register/", {**credentials, "name": f"Person {number}"})
        return str(self.send("POST", "/auth/login/", credentials)["access"])

    def room(self, token: str) -> str:
        """Return the slug of a new public room."""
        slug = uuid4().hex
        self.send("POST", "/chat/rooms/", {"slug": slug, "name": "Lamps", "visibility": "public"}, token)
        return slug

    def cpu(self) -> dict[str, float]:
        """Return the seconds of CPU that each program has taken so far."""
        programs = {"sockets": [psutil.Process(process.pid) for process in self.processes]}
        for name, variable in (("PostgreSQL", "DATABASE_URL"), ("Valkey", "REDIS_URL")):
            programs[name] = _listening_at(urlsplit(os.environ[variable]).port)
        return {name: sum(map(_cpu, processes)) for name, processes in programs.items()}


def _listening_at(port: int | None) -> list[psutil.Process]:
    """Return the program that listens at a port, with its children."""
    # A connection without an address of its own has an empty one.
    pids = {connection.pid for connection in psutil.net_connections("tcp") if connection.laddr[1:] == (port,)}
    servers = [psutil.Process(pid) for pid in pids if pid]
    first = min(servers, key=lambda process: process.create_time())
    return [first, *first.children(recursive=True)]


def _cpu(process: psutil.Process) -> float:
    try:
        # What its children took that are gone is theirs, too.
        return float(sum(process.cpu_times()[:4]))
    except psutil.NoSuchProcess:
        return 0.0


def measure(deployment: Deployment, tokens: list[str], rooms: int, seconds: float) -> Measured:
    """Let each person say one thing after the other, in one of so many rooms."""
    slugs = [deployment.room(token) for token in tokens[:rooms]]
    return asyncio.run(_measure(deployment, tokens, slugs, seconds))


async def _measure(deployment: Deployment, tokens: list[str], slugs: list[str], seconds: float) -> Measured:
    tally, loop = Tally(), asyncio.get_running_loop()
    speakers = []
    for number, token in enumerate(tokens):
        port = deployment.ports[number % len(deployment.ports)]
        path = f"/ws/chat/{slugs[number % len(slugs)]}/"
        speaker = Speaker(_HOST, path, token, tally)
        await loop.create_connection(partial(_same, speaker), "127.0.0.1", port)
        await speaker.is_in
        speakers.append(speaker)
    for speaker in speakers:
        speaker.speak()
    await asyncio.sleep(seconds / 5)
    before, started = deployment.cpu(), time.perf_counter()
    tally.waits.clear()
    tally.pushed = 0
    await asyncio.sleep(seconds)
    took, waits, told = time.perf_counter() - started, sorted(tally.waits), tally.pushed
    after = deployment.cpu()
    for speaker in speakers:
        speaker.stop()
    await asyncio.sleep(0.3)
    for speaker in speakers:
        speaker.close()
    if tally.errors:
        raise SystemExit(f"A message was refused: {tally.errors[0]!r}")
    return Measured(
        rate=len(waits) / took,
        median=1_000 * median(waits),
        p99=1_000 * quantiles(waits, n=100)[98],
        told=told / took,
        cpu={name: (after[name] - before[name]) / took for name in after},
    )


def _same(speaker: Speaker) -> Speaker:
    return speaker


def _serve(port: int, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "uvicorn", "config.asgi:application", "--port", str(port), "--log-level=error"]
    command += ["--ws=infrastructure.realtime.protocol:FrameProtocol", "--no-proxy-headers", "--no-access-log"]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(port: int) -> None:
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        try:
            requests.get(f"http://127.0.0.1:{port}/health/live/", headers={"Host": _HOST}, timeout=5)
        except requests.RequestException:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("A server does not answer.")


@contextmanager
def deployed(processes: int) -> Iterator[Deployment]:
    """Give a deployment on a database of its own."""
    with ExitStack() as stack:
        environment = {**production_environment(), **stack.enter_context(services(_PREFIX))}
        environment |= {"REDIS_KEY_PREFIX": _PREFIX, "ALLOWED_HOSTS": _HOST, "TRUSTED_PROXIES": "127.0.0.1"}
        environment |= {f"THROTTLE_{name}": "100000000/min" for name in _SCOPES}
        environment |= {"LOG_LEVEL": "ERROR", "PASSWORD_HASHES_WAITING": "1000"}
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
        subprocess.run(migrate, cwd=ROOT, env={**os.environ, **environment}, check=True)
        deployment = Deployment(processes, environment)
        stack.callback(deployment.stop)
        yield deployment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speakers", type=int, default=32, help="people, each with one message on its way")
    parser.add_argument("--rooms", type=int, default=32, help="in the second contest; the first is one room")
    parser.add_argument("--processes", type=int, default=1, help="that serve sockets")
    parser.add_argument("--seconds", type=float, default=5, help="of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", help="a file for the figures")
    options = parser.parse_args()
    contests = {"one room": 1, f"{options.rooms} rooms": options.rooms}
    measured: dict[str, list[Measured]] = {name: [] for name in contests}
    with deployed(options.processes) as deployment:
        tokens = [deployment.token(number) for number in range(options.speakers)]
        for _ in range(options.rounds):
            for name, rooms in contests.items():
                measured[name].append(measure(deployment, tokens, rooms, options.seconds))
    print(
        f"{options.speakers} speakers, {options.processes} processes, {options.rounds} rounds of {options.seconds} s\n"
    )
    print(table(measured))
    if options.json:
        figures = {name: [asdict(one) for one in rounds] for name, rounds in measured.items()}
        Path(options.json).write_text(json.dumps(figures, indent=2), encoding="utf-8")


def table(measured: Mapping[str, list[Measured]]) -> str:
    """Return a line for each contest: medians of its rounds, the rate with its spread."""
    programs = list(next(iter(measured.values()))[0].cpu)
    lines = [
        f"{'':<12}{'stored/s':>10}{'spread':>14}{'ack ms':>8}{'p99':>8}{'told/s':>10}   CPU: {', '.join(programs)}"
    ]
    for name, rounds in measured.items():
        rates = sorted(one.rate for one in rounds)
        figures = [median(getattr(one, what) for one in rounds) for what in ("median", "p99", "told")]
        figures = [f"{figures[0]:>8.1f}", f"{figures[1]:>8.1f}", f"{figures[2]:>10.0f}"]
        cpu = "  ".join(f"{median(one.cpu[program] for one in rounds):.2f}" for program in programs)
        spread = f"{rates[0]:.0f} to {rates[-1]:.0f}"
        lines.append(f"{name:<12}{median(rates):>10.0f}{spread:>14}{''.join(figures)}   {cpu}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
