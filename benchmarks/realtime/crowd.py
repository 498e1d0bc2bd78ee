"""The members of a room, in a process of their own: `python -m benchmarks.realtime.crowd PORT PATH ENGINE SENDER…`.

Takes commands, one JSON object a line, and answers each with one. It reads sockets as cheaply as Python can: the load
must not be what is measured. All messages have the same size, so bytes are counted and not frames, and only those whose
delay is asked for are looked into.
"""

import json
import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import quantiles
from typing import IO, Any, Final, cast

_HANDSHAKE: Final = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
# The packet of socket.io that asks to be let in, in a frame whose mask is nothing.
_ENTER: Final = b"\x81\x82\x00\x00\x00\x0040"
_AT_ONCE: Final = 50
# Messages that are on their way at once: enough to leave the server no pause, and too few to be lost for their number.
_WINDOW: Final = 8
_STAMP: Final = re.compile(rb'"at": ?"(\d{20})"')
# Seconds without a byte, after which none is on its way.
_QUIET: Final = 0.5
# Seconds that messages which are late are waited for.
_LATE: Final = 10.0
# Of fewer a 99.9th percentile means nothing.
_FEWEST: Final = 1_000


class Crowd:
    """Sockets to one server, and the sender of what they hear."""

    def __init__(self, port: int, path: str, engine: str, sender: list[str]) -> None:
        self._port = port
        self._handshake = _HANDSHAKE.format(path=path).encode()
        self._enter = _ENTER if engine == "socket.io" else b""
        self._sockets: dict[int, socket.socket] = {}
        self._poll = select.epoll()
        self._buffer = bytearray(1024 * 1024)
        self._sender = cast("IO[bytes]", subprocess.Popen(sender, stdin=subprocess.PIPE).stdin)

    def open(self, count: int) -> dict[str, Any]:
        """Open so many sockets more, and wait until all is said that a newcomer is told."""
        for start in range(0, count, _AT_ONCE):
            new = [socket.create_connection(("127.0.0.1", self._port), 10) for _ in range(min(_AT_ONCE, count - start))]
            for one in new:
                one.sendall(self._handshake)
            for one in new:
                answer = one.recv(65_536)
                if not answer.startswith(b"HTTP/1.1 101"):
                    raise SystemExit(f"No socket was opened: {answer[:200]!r}")
                if self._enter:
                    one.sendall(self._enter)
                one.settimeout(0)
                self._sockets[one.fileno()] = one
                self._poll.register(one.fileno(), select.EPOLLIN)
        self._drain()
        return {"open": len(self._sockets)}

    def saturate(self, seconds: float, size: int) -> dict[str, Any]:
        """Keep some messages on their way, and count the deliveries of so many seconds after a moment of it."""
        frame = self._frame(size)
        whole, received, sent = frame * len(self._sockets), 0, 0
        began, counted, now = 0.0, 0, time.monotonic()
        started = now
        while not began or now - began < seconds:
            while sent - received // whole < _WINDOW:
                self._say(size)
                sent += 1
            received += self._take()
            now = time.monotonic()
            if not began and now - started > seconds / 5:
                began, counted = now, received
                print("begin", flush=True)
        print("end", flush=True)
        lost = self._settle(sent * whole - received) / frame
        return {"deliveries": (received - counted) / frame, "seconds": now - began, "lost": lost}

    def pace(self, rate: float, seconds: float, size: int) -> dict[str, Any]:
        """Send at a pace of so many deliveries a second, and note how long each took."""
        frame = self._frame(size)
        pause = len(self._sockets) / rate
        rests: dict[int, bytes] = {}
        delays: list[float] = []
        print("begin", flush=True)
        started = time.monotonic()
        sent, total, last = 0, int(seconds / pause), started
        expected = total * len(self._sockets)
        while len(delays) < expected:
            now = time.monotonic()
            if sent < total and now >= started + sent * pause:
                self._say(size)
                sent += 1
                last = now
            if now - last > _LATE:
                break
            wait = max(0.0, started + sent * pause - now) if sent < total else 0.1
            for handle, data in self._read(wait):
                now = time.monotonic()
                known = rests.pop(handle, b"") + data
                whole = len(known) // frame * frame
                if known[whole:]:
                    rests[handle] = known[whole:]
                delays += [now - int(stamp) / 1e9 for stamp in _STAMP.findall(known[:whole])]
                last = now
        took = time.monotonic() - started
        print("end", flush=True)
        self._drain()
        return {"seconds": took, "deliveries": len(delays), "lost": expected - len(delays), **_spread(delays)}

    def close(self) -> dict[str, Any]:
        """End all sockets."""
        for one in self._sockets.values():
            one.close()
        self._sockets.clear()
        return {}

    def _frame(self, size: int) -> int:
        """Return the bytes of one message on the wire, which everybody is sent once to find out."""
        self._say(size)
        received = self._drain(wait=_LATE)
        frame, rest = divmod(received, len(self._sockets))
        if rest or frame < size:
            raise SystemExit(f"{received} bytes came to {len(self._sockets)} members for a message of {size}.")
        return frame

    def _say(self, size: int) -> None:
        head = f'{{"type": "message", "at": "{time.monotonic_ns():020}", "text": "'
        text = f'{head}{"x" * (size - len(head) - 2)}"}}\n'
        self._sender.write(text.encode())
        self._sender.flush()

    def _take(self) -> int:
        """Read what there is, and return how many bytes it was."""
        received = 0
        sockets, buffer = self._sockets, self._buffer
        for handle, _ in self._poll.poll(0.1):
            try:
                received += sockets[handle].recv_into(buffer)
            except BlockingIOError:
                continue
        return received

    def _read(self, wait: float) -> Iterator[tuple[int, bytes]]:
        for handle, _ in self._poll.poll(wait):
            data = self._sockets[handle].recv(1024 * 1024)
            if not data:
                raise SystemExit("The server has closed a socket.")
            yield handle, data

    def _drain(self, wait: float = _QUIET) -> int:
        """Read until nothing comes any more, and return how many bytes that was."""
        received, last = 0, time.monotonic()
        while time.monotonic() - last < (_QUIET if received else wait):
            if now := self._take():
                received, last = received + now, time.monotonic()
        return received

    def _settle(self, missing: int) -> int:
        """Wait for what is on its way, and return how many bytes never came."""
        last = time.monotonic()
        while missing > 0 and time.monotonic() - last < _LATE:
            if now := self._take():
                missing, last = missing - now, time.monotonic()
        return missing


def _spread(delays: list[float]) -> dict[str, float]:
    if len(delays) < _FEWEST:
        return {}
    parts = quantiles(delays, n=1_000)
    return {"p50": parts[499] * 1e3, "p99": parts[989] * 1e3, "p999": parts[998] * 1e3, "max": max(delays) * 1e3}


def main() -> None:
    port, path, engine, *sender = sys.argv[1:]
    crowd = Crowd(int(port), path, engine, sender)
    for line in sys.stdin:
        command = json.loads(line)
        answer = getattr(crowd, command.pop("do"))(**command)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
