"""What whoever copies the database, Redis or the storage would hold."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from django.db import connection

from infrastructure import redis

_READERS: Final[dict[bytes, Callable[[Any, bytes], Any]]] = {
    b"string": lambda client, name: client.get(name),
    b"list": lambda client, name: client.lrange(name, 0, -1),
    b"set": lambda client, name: client.smembers(name),
    b"zset": lambda client, name: client.zrange(name, 0, -1),
    b"hash": lambda client, name: client.hgetall(name),
    b"stream": lambda client, name: client.xrange(name),
}


def tables() -> Iterator[str]:
    """Yield each row of each table, as `COPY` writes it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        names = [name for (name,) in cursor.fetchall()]
        for name in names:
            with cursor.copy(f'COPY "{name}" TO STDOUT') as rows:
                yield from (bytes(block).decode() for block in rows)


def entries_of_redis() -> Iterator[str]:
    """Yield each key with what it holds."""
    client: Any = redis.client()
    for name in client.scan_iter(match=f"{redis.key()}*", count=1_000):
        yield f"{name!r} {_READERS[client.type(name)](client, name)!r}"
