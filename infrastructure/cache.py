"""Results and rows kept in Redis as JSON; with Redis away everything is slower and nothing is broken."""

import functools
import inspect
import json
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time as clock_time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final, Protocol, cast
from uuid import UUID

from django.utils.crypto import salted_hmac

from infrastructure.redis import HISTORY, RedisUnavailable, Script, client, key, unavailable_as

# A load that takes longer is no longer waited for, and its result not kept.
LOAD_SECONDS: Final = 10
# How long a caller waits for another's load before it loads by itself.
WAIT_SECONDS: Final = 3.0
_FIRST_PAUSE: Final = 0.005
_LONGEST_PAUSE: Final = 0.05

# What is kept begins with the history it was written under, and is nothing under another one: a server that came back
# from an old copy of its data knows of no invalidation since.
#
# The value; or 1 if the caller may load it, and nobody else for a while; or 0 if somebody else is loading.
_GET_OR_LEASE: Final = Script(
    HISTORY
    + """
local now = history()
local found = redis.call('GET', KEYS[1])
if found and string.sub(found, 1, 40) == now then return string.sub(found, 41) end
if redis.call('SET', KEYS[2], now .. ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
return 0
"""
)
# Keeps the value only if the lease is still the caller's: an invalidation takes it away, and a value that was loaded
# before the invalidation must not come after it.
_KEEP: Final = Script(
    HISTORY
    + """
local now = history()
if redis.call('GET', KEYS[2]) ~= now .. ARGV[1] then return 0 end
redis.call('DEL', KEYS[2])
redis.call('SET', KEYS[1], now .. ARGV[2], 'PX', ARGV[3])
return 1
"""
)
_RELEASE: Final = Script(
    HISTORY
    + """
if redis.call('GET', KEYS[1]) == history() .. ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
)


class CachedFunction[**P, R](Protocol):
    """What `cache_result` makes of a function."""

    cache_key: Callable[P, str]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the cached result, or the function's."""
        ...


def cache_result[**P, R](ttl: int, key_prefix: str) -> Callable[[Callable[P, R]], CachedFunction[P, R]]:
    """Keep a function's results in Redis for `ttl` seconds, None included.

    The key is made of the function's qualified name and its arguments with their types, defaults filled in, hashed:
    `f(1)`, `f("1")` and `f(True)` are three entries, `f(1)` and `f(number=1)` are one. Results are what JSON holds,
    and public to whoever reads Redis. Concurrent misses, in whatever process, load once. On a static method it stands
    below `@staticmethod`.

    Args:
        ttl: Seconds.
        key_prefix: The group of the entries in Redis, such as `users`.
    """

    def decorate(function: Callable[P, R]) -> CachedFunction[P, R]:
        signature = inspect.signature(function)
        name = f"{function.__module__}.{function.__qualname__}"

        def cache_key(*args: P.args, **kwargs: P.kwargs) -> str:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            arguments = _identity(bound.arguments).encode()
            digest = salted_hmac("infrastructure.cache", arguments, algorithm="sha256").hexdigest()
            return key("cache", key_prefix, name, digest)

        @functools.wraps(function)
        def cached(*args: P.args, **kwargs: P.kwargs) -> R:
            text = _load_once(cache_key(*args, **kwargs), ttl, lambda: _to_json(function(*args, **kwargs), name))
            return cast("R", json.loads(text))

        vars(cached)["cache_key"] = cache_key
        return cast("CachedFunction[P, R]", cached)

    return decorate


def invalidate_cache[**P, R](function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> None:
    """Forget the result for these arguments, and the one that is being loaded at this moment; call it after commit.

    Raises:
        TypeError: If the function is not decorated with `cache_result`.
        RedisUnavailable: If Redis is away, and with it the certainty that nothing stale is left.
    """
    if not hasattr(function, "cache_key"):
        raise TypeError(f"{function!r} is not decorated with cache_result.")
    entry: str = function.cache_key(*args, **kwargs)
    with unavailable_as():
        client().delete(entry, _lease(entry))


def _lease(entry: str) -> str:
    return f"{entry}:lease"


def _load_once(entry: str, ttl: int, load: Callable[[], str]) -> str | bytes:
    token = secrets.token_hex(16)
    deadline = time.monotonic() + WAIT_SECONDS
    pause = _FIRST_PAUSE
    try:
        while (found := _get_or_lease(entry, token)) == 0 and time.monotonic() < deadline:
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
    except RedisUnavailable:
        return load()
    if isinstance(found, bytes):
        return found
    if not found:
        return load()
    return _load_and_keep(entry, token, ttl, load)


def _get_or_lease(entry: str, token: str) -> bytes | int:
    with unavailable_as():
        found: bytes | int = _GET_OR_LEASE([entry, _lease(entry)], [token, LOAD_SECONDS * 1_000])
    return found


def _load_and_keep(entry: str, token: str, ttl: int, load: Callable[[], str]) -> str:
    try:
        text = load()
    except BaseException:
        _try(_RELEASE, [_lease(entry)], [token])
        raise
    _try(_KEEP, [entry, _lease(entry)], [token, text, ttl * 1_000])
    return text


def _try(script: Script, keys: list[str], arguments: list[str | int]) -> None:
    """Run what may be missed: a lease ends by itself, and an entry that is not kept is loaded again."""
    try:
        with unavailable_as():
            script(keys, arguments)
    except RedisUnavailable:
        return


def _to_json(value: Any, name: str) -> str:
    try:
        text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as cause:
        raise TypeError(f"{name} returned what JSON cannot hold ({cause}); only JSON values are cached.") from cause
    # A tuple or a number as a key goes in and comes out as something else.
    if json.loads(text) != value:
        raise TypeError(f"{name} returned what JSON changes, such as a tuple; only JSON values are cached.")
    return text


_SCALARS: Final = (bool, int, float, str, bytes, UUID, Decimal, datetime, date, clock_time, timedelta)


def _identity(value: Any) -> str:
    """Return a text that is the same for equal values of one type, and different for any others.

    Raises:
        TypeError: If the value has no such text, as most objects.
    """
    match value:
        case None:
            return "None"
        case Enum():
            return f"{type(value).__module__}.{type(value).__qualname__}.{value.name}"
        case dict():
            pairs = sorted(f"{_identity(name)}:{_identity(item)}" for name, item in value.items())
            return f"dict({','.join(pairs)})"
        case list() | tuple():
            family = "list" if isinstance(value, list) else "tuple"
            return f"{family}({','.join(map(_identity, value))})"
        case set() | frozenset():
            return f"set({','.join(sorted(map(_identity, value)))})"
    # By the first type that fits: a UUID made by the uuid6 package is the UUID that the database brings back.
    for scalar in _SCALARS:
        if isinstance(value, scalar):
            return f"{scalar.__name__}({value!r})"
    raise TypeError(f"{type(value).__name__} cannot be part of a cache key: pass an id or another plain value.")


type RowId = UUID | int | str

# Above every version that a row can have, and exact in Lua, whose numbers are doubles.
_FOREVER: Final = 2**53
# An entry is the history it was written under, its version, and its JSON or the mark of a tombstone, with colons
# between them. A row of another history is nothing; a tombstone of one still is a tombstone.
#
# `row` returns the JSON of a live row, `version` the version of whatever counts as there.
ROWS: Final = (
    HISTORY
    + """
local function row(name, now)
  local found = redis.call('GET', name)
  if not found or now == '' or string.sub(found, 1, 40) ~= now then return false end
  local text = string.sub(found, string.find(found, ':', 42, true) + 1)
  return text ~= '-' and text
end

local function version(name, now)
  local found = redis.call('GET', name)
  if not found or (string.sub(found, 1, 40) ~= now and string.sub(found, -2) ~= ':-') then return false end
  return string.match(found, '^%d+', 42)
end

local function add(name, now, number, text, lifetime)
  if not version(name, now) then redis.call('SET', name, now .. ':' .. number .. ':' .. text, 'PX', lifetime) end
end
"""
)
_LOOK: Final = Script(
    ROWS
    + """
local now = history()
local found = {now}
for index, name in ipairs(KEYS) do found[index + 1] = row(name, now) end
return found
"""
)
_ADD: Final = Script(
    ROWS
    + """
local now = history()
if ARGV[1] ~= now then return 0 end
add(KEYS[1], now, ARGV[2], ARGV[3], ARGV[4])
return 1
"""
)
# A tombstone is never lowered: a late one must not open the door to an older row.
_BURY: Final = Script(
    ROWS
    + """
local now = history()
for index, name in ipairs(KEYS) do
  local number = ARGV[index + 1]
  local other = version(name, now)
  if other and tonumber(other) > tonumber(number) then number = other end
  redis.call('SET', name, now .. ':' .. number .. ':-', 'PX', ARGV[1])
end
return 1
"""
)
_REPLACE: Final = Script(
    ROWS
    + """
local now = history()
local other = version(KEYS[1], now)
if other and tonumber(other) > tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], now .. ':' .. ARGV[1] .. ':' .. ARGV[2], 'PX', ARGV[3])
return 1
"""
)


@dataclass(frozen=True, slots=True)
class Rows:
    """What one look found, and the history it saw: whoever adds what was missing gives it back."""

    found: Mapping[RowId, dict[str, Any]]
    history: str


@dataclass(frozen=True, slots=True)
class RowCache:
    """Copies of rows that are never stale after a commit.

    The writer, holding the row's lock, buries the entry with the version it is about to commit: a tombstone, which
    makes readers go to the database. After the commit it replaces the tombstone by the new row. Readers only add where
    nothing is. Why that holds:

    - A reader that read the old row before the commit and adds it late meets the tombstone or the new row, and gives
      up. It would have to be late by more than `tombstone_ttl` and miss the new row as well.
    - Of two writers the row lock lets the second bury only after the first has committed. If the first replaces late,
      its version is below the second's tombstone or row, and is refused. So the higher version wins in any order.
    - A writer that rolls back leaves its tombstone: slower until it expires, never wrong.
    - A replacement that fails leaves its tombstone as well. A writer that cannot bury must not commit.
    - A deleted row is forgotten with a tombstone above every version, so that no late replacement brings it back.
    - A server that comes back from an old copy of its data, or a replica that takes over without the last writes, has
      a new history: rows of the one before are not shown, and a reader that looked before it adds nothing.

    What it asks for: versions that rise with each write of a row, less than `tombstone_ttl` between `bury` and the
    commit (and than a server needs to come back without the tombstone), readers at READ COMMITTED, and a Redis that
    does not evict (`noeviction`).

    Args:
        name: The group of the entries, such as `users`.
        ttl: Seconds an entry lives.
        tombstone_ttl: Seconds a tombstone lives.
    """

    name: str
    ttl: int = 300
    tombstone_ttl: int = 60

    def look(self, ids: Iterable[RowId]) -> Rows:
        """Return the rows that are there, in one round trip; with Redis away, none."""
        wanted = list(ids)
        if not wanted:
            return Rows({}, "")
        try:
            with unavailable_as():
                history, *texts = _LOOK([self.entry(row_id) for row_id in wanted])
        except RedisUnavailable:
            return Rows({}, "")
        found = {row_id: json.loads(text) for row_id, text in zip(wanted, texts, strict=True) if text}
        return Rows(found, history.decode())

    def add(self, row_id: RowId, version: int, payload: Mapping[str, Any], *, history: str) -> None:
        """Keep a row that was read since a look, where neither a row nor a tombstone is; with Redis away, do nothing.

        Args:
            history: What that look saw.
        """
        if history:
            _try(_ADD, [self.entry(row_id)], [history, version, row_json(payload), self.ttl * 1_000])

    def bury(self, versions: Mapping[RowId, int]) -> None:
        """Make readers go to the database; call it with the rows locked, before the commit.

        Args:
            versions: For each row the version that is about to be committed, or any other above the committed one.

        Raises:
            RedisUnavailable: If Redis is away; the write must not be committed then.
        """
        self._bury(versions, self.tombstone_ttl)

    def replace(self, row_id: RowId, version: int, payload: Mapping[str, Any]) -> None:
        """Put the committed row in the tombstone's place; with Redis away the tombstone stays until it expires."""
        _try(_REPLACE, [self.entry(row_id)], [version, row_json(payload), self.ttl * 1_000])

    def forget(self, ids: Iterable[RowId]) -> None:
        """Bury rows for as long as an entry lives; call it before the commit that ends them, nothing is to follow.

        Raises:
            RedisUnavailable: If Redis is away; the rows must not be ended then.
        """
        self._bury(dict.fromkeys(ids, _FOREVER), max(self.ttl, self.tombstone_ttl))

    def entry(self, row_id: RowId) -> str:
        """Return the key under which a row is kept."""
        return key("row", self.name, str(row_id))

    def _bury(self, versions: Mapping[RowId, int], seconds: int) -> None:
        if not versions:
            return
        with unavailable_as():
            _BURY([self.entry(row_id) for row_id in versions], [seconds * 1_000, *versions.values()])


def row_json(payload: Mapping[str, Any]) -> str:
    """Return a row as it is kept."""
    return json.dumps(dict(payload), allow_nan=False, separators=(",", ":"))
