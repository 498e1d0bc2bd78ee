"""One door to Redis: the pool, the time-outs and the prefix of the cache setting, and one error for "away"."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1
from queue import Empty
from typing import Any, Final

from django.conf import settings
from django_redis import get_redis_connection
from redis import BlockingConnectionPool, Redis
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TimeoutError as RedisTimeoutError,
)

# Names the server's present history of writes, for scripts: another one after every start and every promotion, and the
# empty text on a replica. What was written under another name may be older than what was written since, and lost.
HISTORY: Final = """
local function history()
  local info = redis.call('INFO', 'replication')
  local at = string.find(info, 'master_replid:', 1, true)
  if not at or not string.find(info, 'role:master', 1, true) then return '' end
  return string.sub(info, at + 14, at + 53)
end
"""
# Answers of a server that is there and cannot serve: a replica without its master, a full or broken disk.
_REFUSALS = ("MISCONF", "MASTERDOWN", "NOREPLICAS", "CLUSTERDOWN", "BUSY", "LOADING")


class RedisUnavailable(Exception):  # noqa: N818  # named like the answer it becomes
    """Redis cannot be reached, or cannot take a write."""


class PlainRedis(Redis):
    """redis-py's client, without the measurements that it takes of each command for OpenTelemetry."""

    def _execute_command(self, *args: Any, **options: Any) -> Any:
        connection: Any = self.connection or self.connection_pool.get_connection()
        try:
            return connection.retry.call_with_retry(
                lambda: self._send_command_parse_response(connection, args[0], *args, **options),  # type: ignore[no-untyped-call]  # redis-py's
                lambda _: connection.disconnect(),
            )
        finally:
            if not self.connection:
                self.connection_pool.release(connection)


class PlainPool(BlockingConnectionPool):
    """redis-py's pool that lets callers wait for their turn, without the measurements of each loan."""

    def get_connection(self, *_: Any, **__: Any) -> Any:
        self._checkpid()
        try:
            connection = self.pool.get(timeout=self.timeout) or self.make_connection()  # type: ignore[no-untyped-call]  # redis-py's
        except Empty:
            raise RedisConnectionError("All connections are in use.") from None
        try:
            connection.connect()
            if _has_ended(connection):
                connection.disconnect()
                connection.connect()
        except BaseException:
            self.release(connection)
            raise
        return connection

    def release(self, connection: Any) -> None:
        if self.owns_connection(connection):
            self._checkpid()
            self.pool.put_nowait(connection)
        else:
            super().release(connection)  # type: ignore[no-untyped-call]  # redis-py's


def _has_ended(connection: Any) -> bool:
    """Tell whether something waits to be read, before anything was asked: the end, or the answer to somebody else."""
    try:
        return bool(connection.can_read())
    except (RedisConnectionError, RedisTimeoutError, OSError):
        return True


def client() -> Redis:
    """Return a client over the pool of the default cache; it opens no connection by itself."""
    connection: Redis = get_redis_connection("default")
    return connection


def key(*parts: str) -> str:
    """Return a key under the project's prefix."""
    return ":".join((settings.REDIS_KEY_PREFIX, *parts))


@contextmanager
def unavailable_as(error: type[RedisUnavailable] = RedisUnavailable) -> Iterator[None]:
    """Turn every way in which Redis is away into one error; programming errors pass as they are.

    Raises:
        RedisUnavailable: Or the given kind of it.
    """
    try:
        yield
    except (RedisConnectionError, RedisTimeoutError, ReadOnlyError, OutOfMemoryError) as cause:
        raise error(f"Redis is not available: {type(cause).__name__}.") from cause
    except ResponseError as cause:
        if str(cause).startswith(_REFUSALS):
            raise error("Redis is not available: it refuses to serve.") from cause
        raise


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script, which Redis runs atomically and in one round trip once it knows it."""

    source: str
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        # The name Redis itself gives to a script; nothing is secured by it.
        object.__setattr__(self, "digest", sha1(self.source.encode(), usedforsecurity=False).hexdigest())

    def __call__(self, keys: Sequence[str], arguments: Sequence[str | int] = ()) -> Any:
        """Run the script; a server that has forgotten it (a restart) is given the source again."""
        connection: Any = client()
        try:
            return connection.execute_command("EVALSHA", self.digest, len(keys), *keys, *arguments)
        except NoScriptError:
            return connection.eval(self.source, len(keys), *keys, *arguments)
