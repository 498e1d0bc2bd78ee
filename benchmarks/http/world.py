"""What all contestants find: the same accounts, the same cost of a password, limits that are never reached."""

import base64
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import argon2.low_level
import jwt
import psycopg
import redis
from uuid6 import uuid7

from benchmarks.http.contestants import PEERS, ROOT, Contestant
from benchmarks.services import services
from layerline.gate import production_environment

OURS: Final = "layerline_bench"
THEIRS: Final = "layerline_bench_peers"
_HOST: Final = "api.internal"
# OWASP's values, which are ours: passes, KiB, lanes.
ARGON2: Final = (2, 19_456, 1)
PASSWORD: Final = "nine hundred lanterns"  # noqa: S105  # of accounts that live for a few minutes
_SCOPES: Final = ("BURST", "SUSTAINED", "ANONYMOUS_BURST", "ANONYMOUS_SUSTAINED", "LOGIN", "LOGIN_ADDRESS")
# One in so many is an admin, whose list is asked for.
_ADMINS: Final = 10
_BEGINNING: Final = datetime(2026, 1, 1, tzinfo=UTC)
_ACCOUNTS: Final = "id, email, name, role, is_active, avatar, password, created_at, updated_at"


@dataclass(frozen=True, slots=True)
class Person:
    """An account that has signed in, with its tokens."""

    email: str
    is_admin: bool
    our_token: str
    their_token: str


@dataclass(frozen=True, slots=True)
class World:
    """Databases and Redis with the people in them, and the variables that lead there."""

    ours: dict[str, str]
    theirs: dict[str, str]
    people: Sequence[Person]

    def environment(self, contestant: Contestant) -> dict[str, str]:
        return self.ours if contestant.is_ours else self.theirs

    def requests(self, contestant: Contestant, route: str, people: Sequence[Person]) -> list[bytes]:
        """Return the requests of these people, as they go over the wire."""
        path = contestant.paths[route]
        if route == "login":
            return [_post(path, {"email": person.email, "password": PASSWORD}) for person in people]
        return [get(path, person.our_token if contestant.is_ours else person.their_token) for person in people]

    def forget_accounts(self) -> None:
        """Make everybody cold: the next request of each reads account and session in PostgreSQL."""
        forget(OURS)


def forget(prefix: str) -> None:
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        keys = list(client.scan_iter(match=f"{prefix}:row:*", count=5_000))
        for first in range(0, len(keys), 5_000):
            client.unlink(*keys[first : first + 5_000])


@contextmanager
def world(people: int) -> Iterator[World]:
    """Make it, and throw it away at the end.

    Args:
        people: How many there are in it.
    """
    with ExitStack() as stack:
        ours = our_environment(OURS, stack.enter_context(services(OURS)))
        theirs = stack.enter_context(services(THEIRS)) | {
            "REDIS_KEY_PREFIX": THEIRS,
            "PEERS_SECRET": secrets.token_urlsafe(48),
            "ARGON2_COST": ",".join(map(str, ARGON2)),
        }
        migrate(ours)
        rows = list(accounts(people))
        with psycopg.connect(theirs["DATABASE_URL"]) as connection:
            connection.execute((PEERS / "schema.sql").read_text(encoding="utf-8"))
            _copy(connection, f"accounts ({_ACCOUNTS})", rows)
            _settle(connection, "accounts")
        tokens = sign(ours, fill(ours, rows, signed_in=people))
        yield World(
            ours,
            theirs,
            [
                Person(row[1], row[3] == "admin", token, _their_token(row[0], theirs["PEERS_SECRET"]))
                for row, token in zip(rows, tokens, strict=True)
            ],
        )


def our_environment(prefix: str, addresses: dict[str, str]) -> dict[str, str]:
    """Return what our production asks for."""
    environment = production_environment() | addresses
    environment |= {"REDIS_KEY_PREFIX": prefix, "ALLOWED_HOSTS": _HOST, "TRUSTED_PROXIES": "127.0.0.1"}
    environment |= {f"THROTTLE_{scope}": "1000000/min" for scope in _SCOPES}
    time_cost, memory_cost, parallelism = map(str, ARGON2)
    environment |= {"ARGON2_TIME_COST": time_cost, "ARGON2_MEMORY_COST": memory_cost}
    return environment | {"ARGON2_PARALLELISM": parallelism, "ACCESS_TOKEN_LIFETIME": "3600"}


def migrate(environment: dict[str, str]) -> None:
    command = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, check=True)


def accounts(count: int, first: int = 0) -> Iterator[tuple[Any, ...]]:
    """Give rows of accounts, each with a word in its name that no other has: what a search for it finds is one row."""
    password = _hash()
    for number in range(first, first + count):
        moment = _BEGINNING + timedelta(seconds=number)
        name = f"{_word(number % 997)} {_word(number % 4_999)} {search_word(number)}"
        role = "user" if number % _ADMINS else "admin"
        yield uuid7(), f"u{number}@example.com", name, role, True, "", password, moment, moment


def fill(
    environment: dict[str, str], rows: Iterable[tuple[Any, ...]], *, signed_in: int
) -> list[tuple[UUID, UUID, str]]:
    """Copy accounts into our tables, the first of them with an open session.

    Returns:
        The ids, the sessions and the roles of those who are signed in.
    """
    columns = f"{_ACCOUNTS}, is_superuser, is_staff, token_version, row_version"
    people: list[tuple[UUID, UUID, str]] = []

    def whole() -> Iterator[tuple[Any, ...]]:
        for row in rows:
            if len(people) < signed_in:
                people.append((row[0], uuid7(), row[3]))
            yield (*row, False, False, 1, 1)

    now = datetime.now(UTC)
    with psycopg.connect(environment["DATABASE_URL"]) as connection:
        with _without_indexes(connection, "users"):
            _copy(connection, f"users ({columns})", whole())
        _copy(
            connection,
            "sessions (id, user_id, expires_at, created_at, updated_at, last_used_at, user_agent)",
            ((session, user, now + timedelta(days=1), now, now, now, "") for user, session, _ in people),
        )
        _settle(connection, "users", "sessions")
    return people


@contextmanager
def _without_indexes(connection: psycopg.Connection, table: str) -> Iterator[None]:
    """Make the table's indexes, but those of its constraints, at the end of the block: in a tenth of the time."""
    wanted = """
        SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s
        AND indexname NOT IN (SELECT conname FROM pg_constraint WHERE contype IN ('p', 'u'))
    """
    indexes = connection.execute(wanted, [table]).fetchall()
    for name, _ in indexes:
        connection.execute(f'DROP INDEX "{name}"')
    yield
    connection.execute("SET LOCAL maintenance_work_mem = '512MB'")
    for _, definition in indexes:
        connection.execute(definition)


def sign(environment: dict[str, str], sessions: Sequence[tuple[UUID, UUID, str]]) -> list[str]:
    """Return an access token for each of the sessions, made by the project itself."""
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks.http.sign"],
        cwd=ROOT,
        env={**os.environ, **environment},
        input=json.dumps([[str(user_id), str(session_id), role] for user_id, session_id, role in sessions]),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return result.stdout.split()


def _their_token(user_id: UUID, secret: str) -> str:
    now = int(time.time())
    claims = {"token_type": "access", "iat": now, "exp": now + 3_600, "jti": uuid4().hex, "user_id": str(user_id)}
    return jwt.encode(claims, secret, algorithm="HS256")


def _copy(connection: psycopg.Connection, target: str, rows: Any) -> None:
    with connection.cursor().copy(f"COPY {target} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _settle(connection: psycopg.Connection, *tables: str) -> None:
    """Do what autovacuum would have done in the days that such tables take to grow."""
    connection.commit()
    connection.autocommit = True
    connection.execute(f"VACUUM (ANALYZE) {', '.join(tables)}")


def _hash() -> str:
    salt = secrets.token_urlsafe(16)
    time_cost, memory_cost, parallelism = ARGON2
    encoded = argon2.low_level.hash_secret(
        PASSWORD.encode(), salt.encode(), time_cost, memory_cost, parallelism, 32, argon2.low_level.Type.ID
    )
    return f"argon2{encoded.decode()}"


def search_word(number: int) -> str:
    """Return the word in the name of an account that hardly another one has."""
    return f"{_word(number)}x"


def _word(number: int) -> str:
    """Return a word of three or more letters for each number."""
    letters = base64.b32encode(number.to_bytes(5, "big")).decode().lower().lstrip("a")
    return f"{letters:m>3}"


def get(path: str, token: str) -> bytes:
    return _request("GET", path, f"Authorization: Bearer {token}\r\n")


def _post(path: str, body: Any) -> bytes:
    content = json.dumps(body)
    head = f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    return _request("POST", path, head) + content.encode()


def _request(method: str, path: str, headers: str) -> bytes:
    lines = f"{method} {path} HTTP/1.1\r\nHost: {_HOST}\r\nX-Forwarded-Proto: https\r\nAccept: */*\r\n{headers}\r\n"
    return lines.encode()
