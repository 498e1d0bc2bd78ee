"""Stands in where there is no wrk: `python -m benchmarks.http.loader PORT FILE CONNECTIONS SECONDS`.

It takes more of a core than wrk does, which lowers the figures of quick servers, everybody's alike.
"""

import asyncio
import json
import sys
import time
from itertools import cycle
from pathlib import Path
from statistics import quantiles
from typing import Final, cast

SEPARATOR: Final = b"\n---\n"


class Client(asyncio.Protocol):
    """One connection, which sends the next request as soon as it has the answer to the last one."""

    def __init__(self, requests: "cycle[bytes]", until: float) -> None:
        self._requests = requests
        self._until = until
        self._received = b""
        self._started = 0.0
        self._transport: asyncio.Transport
        self.milliseconds: list[float] = []
        self.refused = 0
        self.broken = 0
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return
        now = time.perf_counter()
        self.milliseconds.append((now - self._started) * 1e3)
        self.refused += int(head[9:12]) >= 400  # noqa: PLR2004  # the first status of a refusal
        if now < self._until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        self.broken += time.perf_counter() < self._until
        if not self.ended.done():
            self.ended.set_result(None)

    def _send(self) -> None:
        self._received = b""
        self._started = time.perf_counter()
        self._transport.write(next(self._requests))


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


async def load(port: int, requests: list[bytes], connections: int, seconds: float) -> dict[str, float]:
    """Keep the connections busy for the seconds, and tell what came of it."""
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    turns = cycle(requests)
    pairs = [
        await loop.create_connection(lambda: Client(turns, started + seconds), "127.0.0.1", port)
        for _ in range(connections)
    ]
    clients = [client for _, client in pairs]
    await asyncio.wait([client.ended for client in clients], timeout=seconds + 10)
    spent = time.perf_counter() - started
    milliseconds = sorted(one for client in clients for one in client.milliseconds) or [0.0, 0.0]
    cuts = quantiles(milliseconds, n=100)
    return {
        "requests": len(milliseconds),
        "seconds": spent,
        "p50": cuts[49],
        "p99": cuts[98],
        "refused": sum(client.refused for client in clients),
        "broken": sum(client.broken for client in clients),
    }


def main() -> None:
    port, file, connections, seconds = sys.argv[1:]
    requests = Path(file).read_bytes().split(SEPARATOR)[:-1]
    print(json.dumps(asyncio.run(load(int(port), requests, int(connections), float(seconds)))))


if __name__ == "__main__":
    main()
