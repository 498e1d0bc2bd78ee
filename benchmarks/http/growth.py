"""What a request costs as the table of accounts grows."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

import psycopg
from psycopg import sql

from benchmarks.http.contestants import OURS, ROOT
from benchmarks.http.servers import Server
from benchmarks.http.world import accounts, fill, forget, get, migrate, our_environment, search_word, sign
from benchmarks.services import services

_NAME: Final = "layerline_bench_growth"
_PEOPLE: Final = 500
_REQUESTS: Final = 60
# What a person asks for who knows whom he looks for, and what a page asks for in the middle of the list.
PATHS: Final = {
    "me, from PostgreSQL": "/api/v1/auth/me/",
    "page 2 of the list": "/api/v1/users/?page=2",
    "page 50 of the list": "/api/v1/users/?page=50",
    "search for a name": f"/api/v1/users/?search={search_word(77)}",
}


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of one request at one size: by PostgreSQL's own clock, and over HTTP."""

    database: float
    http: float


@dataclass(frozen=True, slots=True)
class Table:
    """A database of one size, and its server."""

    environment: dict[str, str]
    server: Server
    tokens: Sequence[str]


def measure(sizes: Sequence[int], *, rounds: int, say: Callable[[str], None]) -> Mapping[str, Mapping[int, Cost]]:
    """Ask each size in turn for each of the paths."""
    with _tables(sizes, say) as tables:
        taken: dict[tuple[str, int], list[float]] = {}
        for number in range(rounds):
            for title, path in PATHS.items():
                for rows in (*sizes[number % len(sizes) :], *sizes[: number % len(sizes)]):
                    forget(f"{_NAME}_{rows}")
                    table = tables[rows]
                    requests = [get(path, token) for token in table.tokens[:_REQUESTS]]
                    # The first ones open connections.
                    taken.setdefault((title, rows), []).extend(table.server.latencies(requests)[5:])
            say(f"growth, round {number + 1} of {rounds}")
        database = {rows: _database(table) for rows, table in tables.items()}
    return {
        title: {rows: Cost(database[rows][index], median(taken[title, rows])) for rows in sizes}
        for index, title in enumerate(PATHS)
    }


@contextmanager
def _tables(sizes: Sequence[int], say: Callable[[str], None]) -> Iterator[dict[int, Table]]:
    with ExitStack() as stack:
        addresses = stack.enter_context(services(_NAME))
        migrate(our_environment(_NAME, addresses))
        tables = {}
        for rows in sizes:
            name = f"{_NAME}_{rows}"
            stack.enter_context(_copied(name))
            own = addresses | {"DATABASE_URL": addresses["DATABASE_URL"].rpartition("/")[0] + f"/{name}"}
            environment = our_environment(name, own)
            people = fill(environment, accounts(rows), signed_in=_PEOPLE)
            # Admins all, for the list is for them.
            with psycopg.connect(own["DATABASE_URL"]) as connection:
                ids = [user_id for user_id, _, _ in people]
                connection.execute("UPDATE users SET role = 'admin' WHERE id = ANY(%s)", [ids])
            server = Server(OURS, environment)
            stack.callback(server.stop)
            tokens = sign(environment, people)
            server.wait(get(PATHS["me, from PostgreSQL"], tokens[0]))
            tables[rows] = Table(environment, server, tokens)
            say(f"growth, {rows:,} rows are there")
        yield tables


@contextmanager
def _copied(name: str) -> Iterator[None]:
    """Make a database like the one that was migrated."""
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    make = sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}")
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(drop)
        connection.execute(make.format(*map(sql.Identifier, (name, _NAME, _NAME))))
        try:
            yield
        finally:
            connection.execute(drop)


def _database(table: Table) -> list[float]:
    forget(table.environment["REDIS_KEY_PREFIX"])
    # Each with a token of its own, since the first request of a person makes him warm.
    asked = list(zip(PATHS.values(), table.tokens[-len(PATHS) :], strict=True))
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks.http.statements"],
        cwd=ROOT,
        env={**os.environ, **table.environment, "LOG_LEVEL": "ERROR"},
        input=json.dumps(asked),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    shown: list[Any] = json.loads(result.stdout)
    return shown
