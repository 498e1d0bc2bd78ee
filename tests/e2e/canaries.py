"""What must not be read anywhere, and everywhere that it could be."""

import gzip
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final

import redis
from django.db import connection

# Under these names something is sent or answered that may stand nowhere, as in the documents of the API.
_SECRETS: Final = frozenset(
    {
        *("password", "current", "new", "access", "refresh", "token", "mfa_token", "ticket"),
        *("code", "secret", "otpauth_uri", "recovery_codes", "key"),
    }
)
# A code of six digits is found in any time of day.
_SHORTEST: Final = 8


@dataclass
class Canaries:
    """Everything that was sent or answered and may not be read: learned from bodies by the names in them."""

    secrets: set[str] = field(default_factory=set)
    phones: set[str] = field(default_factory=set)
    addresses: set[str] = field(default_factory=set)

    def learn(self, body: Any, name: str = "") -> None:
        match body:
            case dict():
                for inner, value in body.items():
                    self.learn(value, inner)
            case list():
                for value in body:
                    self.learn(value, name)
            case str() if len(body) >= _SHORTEST:
                self._learn(body, name)

    def _learn(self, text: str, name: str) -> None:
        if name in _SECRETS:
            self.secrets.add(text)
        elif name == "phone":
            self.phones.add(text)
        elif name == "email":
            self.addresses.add(text)

    def found_in(self, place: str, text: str) -> list[str]:
        """Return what of all that can be read in the text."""
        watched = self.secrets | self.phones | self.addresses
        plain = text.lower()
        return [f"{place}: {canary}" for canary in sorted(watched) if _spelled(canary, plain)]


def _spelled(canary: str, text: str) -> bool:
    """Tell whether it stands there, as it is or as JSON or an address on the web would spell it."""
    spellings = {canary, json.dumps(canary)[1:-1], canary.replace("+", "%2B"), canary.replace("@", "%40")}
    return any(spelling.lower() in text for spelling in spellings)


def tables() -> dict[str, str]:
    """Return all that a dump of the database holds, by table; the addresses of accounts left out."""
    found = {}
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_stat_user_tables ORDER BY relname")
        for (table,) in cursor.fetchall():
            cursor.execute(
                "SELECT string_agg(quote_ident(attname::text), ', ') FROM pg_attribute WHERE attrelid = %s::regclass"
                " AND attnum > 0 AND NOT attisdropped AND NOT (attrelid = 'users'::regclass AND attname = 'email')",
                [table],
            )
            [(columns,)] = cursor.fetchall()
            with cursor.copy(f'COPY (SELECT {columns} FROM "{table}") TO STDOUT') as copy:
                found[f"table {table}"] = b"".join(copy).decode()
    return found


def entries(server: redis.Redis) -> dict[str, str]:
    """Return everything a Redis holds, by its key."""
    read: Mapping[bytes | str, Any] = {
        b"string": server.get,
        b"hash": server.hgetall,
        b"list": lambda name: server.lrange(name, 0, -1),
        b"set": server.smembers,
        b"zset": lambda name: server.zrange(name, 0, -1, withscores=True),
        b"stream": server.xrange,
    }
    names: list[bytes] = list(server.scan_iter(count=1_000))
    return {name.decode(): f"{name.decode()} {read[server.type(name)](name)!r}" for name in names}


def without_the_address_of_a_cached_account(name: str, text: str) -> str:
    """Return what an entry holds beside the one address that it may."""
    return re.sub(r'"email":"[^"]*"', "", text) if re.search(r":row:users:[0-9a-f-]{36}$", name) else text


@dataclass
class Collector:
    """Takes the place of Sentry and of a collector of spans, and keeps what it is sent."""

    port: int = 0
    reports: list[str] = field(default_factory=list)
    spans: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def dsn(self) -> str:
        return f"http://public@127.0.0.1:{self.port}/1"

    def events(self) -> list[dict[str, Any]]:
        """Return the reports, without the lines around them that tell of their size and kind."""
        lines = [json.loads(line) for report in self.reports for line in report.splitlines()]
        return [line for line in lines if "exception" in line]


@contextmanager
def collector() -> Iterator[Collector]:
    """Listen for reports and spans until the end of the block."""
    kept = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name of http.server
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/traces":
                # Whatever is text in it stands there as it is.
                kept.spans.append(body.decode(errors="replace"))
            else:
                kept.reports.append(gzip.decompress(body).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.port = server.server_port
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
