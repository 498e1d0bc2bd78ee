"""How fast the relay empties the outbox: `make bench ARGS="outbox"`."""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import django
import psycopg
import redis

from benchmarks.services import services
from layerline.gate import production_environment

ROOT: Final = Path(__file__).resolve().parents[2]
_PREFIX: Final = "layerline_outbox_bench"
# As a web process leaves them that found no broker; a hundred rows to a key where there are keys.
_FILL: Final = """
INSERT INTO outbox (id, name, payload, order_key, state, attempts, last_error, request_id)
SELECT gen_random_uuid(), 'users.send_verification', '{}', {key}, 'pending', 0, '', ''
FROM generate_series(1, %(rows)s) AS number
"""
_KEYS: Final = {"no order keys": "NULL", "a key for each row": "'key:' || number"}
# Older than all others, and not to be sent: the first of their key is in a worker's hands.
_BLOCKED: Final = """
INSERT INTO outbox (id, name, payload, order_key, state, attempts, last_error, request_id, created_at, next_attempt_at,
                    published_at)
SELECT gen_random_uuid(), 'users.send_verification', '{}', 'stuck',
       CASE number WHEN 1 THEN 'published' ELSE 'pending' END, 0, '', '',
       now() + number * interval '1 us', now() - interval '1 hour', now()
FROM generate_series(1, %(rows)s) AS number
"""


@dataclass(frozen=True, slots=True)
class Case:
    """What lies in the outbox, and how many relays begin at once.

    Args:
        blocked: The rows of one key that lie before all others, and whose turn does not come.
    """

    name: str
    keys: str
    rows: int
    relays: int = 1
    blocked: int = 0


@dataclass(frozen=True, slots=True)
class Measured:
    """One round: the rows that went in a second of the clock, and the seconds of CPU for each."""

    rate: float
    cpu: float


class Relay:
    """A relay in a process of its own, which waits for its beginning."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.outbox", "--relay"],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._read()

    def begin(self) -> None:
        if self._process.stdin:
            self._process.stdin.write(b"\n")
            self._process.stdin.flush()

    def told(self) -> list[float]:
        """Return the rows that it sent, the seconds of CPU that it took, and when it ended."""
        numbers = [float(word) for word in self._read().split()]
        self._process.wait()
        return numbers

    def _read(self) -> bytes:
        return self._process.stdout.readline() if self._process.stdout else b""


def cases(rows: int) -> list[Case]:
    return [
        Case(f"{rows:,} rows", "no order keys", rows),
        Case(f"{rows:,} rows, two relays", "no order keys", rows, relays=2),
        Case(f"{rows:,} rows of as many keys", "a key for each row", rows),
        Case(f"{rows:,} rows behind 100,000 that must wait", "no order keys", rows, blocked=100_000),
        Case(f"{10 * rows:,} rows", "no order keys", 10 * rows),
    ]


def measure(case: Case, environment: Mapping[str, str]) -> Measured:
    """Fill the outbox, and let relays in processes of their own empty it."""
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("TRUNCATE outbox")
        connection.execute(_BLOCKED, {"rows": case.blocked})
        connection.execute(_FILL.replace("{key}", _KEYS[case.keys]), {"rows": case.rows})
        connection.execute("VACUUM ANALYZE outbox")
    relays = [Relay(environment) for _ in range(case.relays)]
    started = time.perf_counter()
    for each in relays:
        each.begin()
    told = [each.told() for each in relays]
    seconds = max(end for _, _, end in told) - started
    sent = sum(int(count) for count, _, _ in told)
    _require_all(case, sent, environment)
    return Measured(sent / seconds, sum(cpu for _, cpu, _ in told) / sent)


def _require_all(case: Case, sent: int, environment: Mapping[str, str]) -> None:
    with redis.Redis.from_url(environment["REDIS_URL"]) as client:
        queue = f"{_PREFIX}:celery:mail"
        waiting = client.llen(queue)
        client.delete(queue)
    if not sent == waiting == case.rows:
        raise SystemExit(f"{case.rows} rows, {sent} sent, {waiting} at the broker.")


def relay() -> None:
    """Be one of the relays: say that it is ready, wait for a line, and tell rows, CPU and the time of the end."""
    django.setup()
    # Once Django is set up, as the models ask for it.
    from django.db import connection  # noqa: PLC0415

    from infrastructure.queue import publisher  # noqa: PLC0415

    connection.ensure_connection()
    print("ready", flush=True)
    sys.stdin.readline()
    cpu = time.process_time()
    sent = publisher.relay()
    print(sent, time.process_time() - cpu, time.perf_counter(), flush=True)


def table(measured: Mapping[Case, list[Measured]]) -> str:
    lines = [f"{'':<44}{'rows/s':>10}{'lowest':>10}{'highest':>10}{'CPU µs/row':>12}"]
    for case, rounds in measured.items():
        rates = [one.rate for one in rounds]
        cpu = 1_000_000 * median(one.cpu for one in rounds)
        lines.append(f"{case.name:<44}{median(rates):>10,.0f}{min(rates):>10,.0f}{max(rates):>10,.0f}{cpu:>12.0f}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of each case, one case after the other")
    parser.add_argument("--rows", type=int, default=10_000, help="in most cases")
    parser.add_argument("--relay", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.relay:
        relay()
        return
    with ExitStack() as stack:
        environment = {**production_environment(), **stack.enter_context(services(_PREFIX))}
        environment |= {"REDIS_KEY_PREFIX": _PREFIX, "LOG_LEVEL": "WARNING"}
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
        subprocess.run(migrate, cwd=ROOT, env={**os.environ, **environment}, check=True)
        measured: dict[Case, list[Measured]] = {case: [] for case in cases(options.rows)}
        for _ in range(options.rounds):
            for case, rounds in measured.items():
                rounds.append(measure(case, environment))
    print(table(measured))


if __name__ == "__main__":
    main()
