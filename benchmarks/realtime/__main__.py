"""How quickly, how reliably and at what cost a room is told: `make bench ARGS="realtime"`."""

import argparse
import json
import os
import platform
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from redis import Redis

from benchmarks.realtime.chart import chart
from benchmarks.realtime.contestants import BENCH, CONTESTANTS, installed
from benchmarks.realtime.report import Measured, table
from benchmarks.realtime.servers import Server, apart
from benchmarks.services import services
from layerline.gate import production_environment

_ACCOUNT: Final = "layerline_bench_realtime"
_STARTED: Final = time.monotonic()
# Sockets that are idle while memory is looked at; the slope between both is what one of them takes.
_FEW: Final = 200


def main() -> None:
    names = [one.name for one in CONTESTANTS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], choices=names, help="contestants (all)")
    parser.add_argument("--members", nargs="+", type=int, default=[200, 1_000], help="of the room")
    parser.add_argument("--rate", type=float, default=20_000, help="deliveries a second for delays, to most members")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2, help="of each measurement of the most it takes")
    parser.add_argument("--paced", type=float, default=4, help="seconds of each measurement of delays")
    parser.add_argument("--size", type=int, default=250, help="bytes of a message")
    parser.add_argument("--sockets", type=int, default=0, help="look at so many idle ones instead of all this")
    parser.add_argument("--chart", type=Path, default=BENCH / "realtime.svg", help="where the chart is written")
    options = parser.parse_args()
    BENCH.mkdir(parents=True, exist_ok=True)
    chosen = installed(options.only)
    with ExitStack() as stack:
        environment = stack.enter_context(services(_ACCOUNT))
        environment = {**production_environment(), **environment, "REDIS_KEY_PREFIX": _ACCOUNT, "LOG_LEVEL": "WARNING"}
        stack.enter_context(apart(Redis.from_url(os.environ["REDIS_URL"])))
        servers = []
        for contestant in chosen:
            server = Server(contestant, {**environment, "PREFIX": f"{_ACCOUNT}:{contestant.name}"})
            stack.callback(server.stop)
            servers.append(server)
        say(f"{len(servers)} servers run")
        if options.sockets:
            for server in servers:
                idle(server, options.sockets)
            return
        measured = [Measured(server.contestant.name, server.contestant.title) for server in servers]
        for server, one in zip(servers, measured, strict=True):
            one.memory = slope(server, _FEW, max(options.members))
            say(f"{server.contestant.title}: {one.memory / 1_000:.0f} kB a socket")
        for number in range(options.rounds):
            for server, one in in_turn(list(zip(servers, measured, strict=True)), number):
                play(server, one, options)
                say(f"round {number + 1} of {options.rounds}: {one.last()}")
    print(f"\n{table(measured, options.members, options.rate)}")
    written = BENCH / "realtime.json"
    document = {
        "machine": platform.platform(),
        "cores": os.cpu_count(),
        "options": {name: str(value) for name, value in vars(options).items()},
        "contestants": [one.as_json() for one in measured],
    }
    written.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    options.chart.write_text(chart(measured, max(options.members), options.rate), encoding="utf-8")
    print(f"\n{written} and {options.chart} are written.")


def play(server: Server, measured: Measured, options: argparse.Namespace) -> None:
    """Play one round of a contestant: the most with each number of members, then delays with the largest."""
    for members in sorted(options.members):
        server.ask("open", count=members)
        measured.most.setdefault(members, []).append(server.ask("saturate", seconds=options.seconds, size=options.size))
        if members == max(options.members):
            measured.paced.append(server.ask("pace", rate=options.rate, seconds=options.paced, size=options.size))
        server.ask("close")


def slope(server: Server, few: int, many: int) -> float:
    """Return the bytes that one idle socket takes, between few of them and many."""
    server.ask("open", count=few)
    before = _settled(server)
    server.ask("open", count=many - few)
    after = _settled(server)
    server.ask("close")
    return (after - before) / (many - few)


def idle(server: Server, count: int) -> None:
    """Open very many sockets, and see whether all of them hear something."""
    began = time.monotonic()
    each = slope(server, _FEW, count)
    server.ask("open", count=count)
    heard = server.ask("pace", rate=count, seconds=2, size=250)
    say(
        f"{server.contestant.title}: {count:,} sockets, twice, in {time.monotonic() - began:.0f} s; "
        f"{each / 1_000:.1f} kB each; {heard['lost']:,} of {2 * count:,} deliveries lost, "
        f"the slowest after {heard['max']:.0f} ms"
    )
    server.ask("close")


def in_turn[T](all_of_them: Sequence[T], number: int) -> list[T]:
    """Return them so that whoever comes first in one round comes last in another."""
    first = number % len(all_of_them)
    return [*all_of_them[first:], *all_of_them[:first]]


def say(line: str) -> None:
    print(f"{time.monotonic() - _STARTED:6.0f} s  {line}", flush=True)


def _settled(server: Server) -> int:
    time.sleep(1)
    return server.memory()


if __name__ == "__main__":
    main()
