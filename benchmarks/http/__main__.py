"""Our production server against peers, and against itself as its tables grow: `make bench ARGS="http"`."""

import argparse
import os
import time
from typing import Final

from benchmarks.http import growth
from benchmarks.http.contestants import BENCH, install_peers
from benchmarks.http.report import Shown, write
from benchmarks.http.rounds import ROUTES, compare, flood
from benchmarks.http.servers import has_wrk
from benchmarks.http.world import world

_PEOPLE: Final = 10_000
_PARTS: Final = (*(route.name for route in ROUTES), "flood", "growth")
_STARTED: Final = time.monotonic()


def main() -> None:
    arguments = _arguments()
    shown = Shown()
    BENCH.mkdir(parents=True, exist_ok=True)
    install_peers()
    say(f"loading with {'wrk' if has_wrk() else 'our own loader, for there is no wrk'}")
    is_whole = False
    try:
        _measure(arguments, shown)
        is_whole = True
    finally:
        # What has been measured is told, whatever became of the rest.
        shown.load.append(os.getloadavg()[0])
        print(f"\n{write(shown, publish=arguments.publish and is_whole)}")


def _measure(arguments: argparse.Namespace, shown: Shown) -> None:
    how = {"rounds": arguments.rounds, "seconds": arguments.seconds, "say": say}
    if arguments.only != ["growth"]:
        with world(_PEOPLE) as made:
            say(f"{_PEOPLE:,} accounts are there")
            for route in ROUTES:
                if route.name in arguments.only:
                    shown.routes[route] = compare(made, route, **how)
            if "flood" in arguments.only:
                shown.flood = flood(made, **how)
    if "growth" in arguments.only:
        shown.growth = growth.measure(arguments.rows, rounds=arguments.rounds, say=say)


def say(line: str) -> None:
    """Tell how far it is."""
    print(f"{time.monotonic() - _STARTED:5.0f} s  {line}", flush=True)


def _arguments() -> argparse.Namespace:
    def numbers(text: str) -> list[int]:
        return [int(number) for number in text.split(",")]

    parser = argparse.ArgumentParser(prog="http", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of each contestant and kind (3)")
    parser.add_argument("--seconds", type=int, default=1, help="of load in a round (1)")
    parser.add_argument("--rows", type=numbers, default=[1_000, 100_000, 1_000_000], help="sizes to grow to")
    parser.add_argument("--only", type=lambda text: text.split(","), default=_PARTS, help=f"of {','.join(_PARTS)}")
    parser.add_argument("--publish", action="store_true", help="write the tables and the chart into docs/")
    return parser.parse_args()


if __name__ == "__main__":
    main()
