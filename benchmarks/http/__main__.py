"""Our production server against peers: `make bench ARGS="http"`."""

import argparse
import time
from typing import Final

from benchmarks.http.contestants import BENCH, install_peers
from benchmarks.http.rounds import ROUTES, compare, flood
from benchmarks.http.world import world

PEOPLE: Final = 10_000
_STARTED: Final = time.monotonic()


def say(line: str) -> None:
    print(f"{time.monotonic() - _STARTED:6.0f} s  {line}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    BENCH.mkdir(parents=True, exist_ok=True)
    install_peers()
    with world(PEOPLE) as made:
        say("made")
        for route in ROUTES:
            if arguments.only and route.name not in arguments.only:
                continue
            results = compare(made, route, rounds=arguments.rounds, seconds=arguments.seconds, say=say)
            for r in results:
                print(
                    f"  {r.title:50} {r.rate:8.0f}/s  {r.ratio_to(results[1]):.2f}  CPU {r.cpu:7.0f} µs  p50 {r.rounds[-1].p50:.1f} p99 {r.rounds[-1].p99:.1f}"
                )
        if not arguments.only or "flood" in arguments.only:
            flood(made, rounds=arguments.rounds, seconds=arguments.seconds, say=say)


if __name__ == "__main__":
    main()
