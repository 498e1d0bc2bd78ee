"""Who is in a room, counted in Redis: one entry for each connection, which ends by itself unless it is refreshed.

A process that dies without a word takes its connections along after EXPIRY. Whoever asks next, in whichever process, is
told who is gone, and nobody else is: so each change is told to the room once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from infrastructure.redis import Script, key, unavailable_as

# Seconds that a connection counts without a refresh: refresh in a third of it.
EXPIRY: Final = 45.0
# Seconds that a person counts after leaving, so that reloading a page is no coming and going.
LINGER: Final = 10.0
# Connections in one round trip, which holds Redis up for a few milliseconds.
_AT_ONCE: Final = 2_000
# Milliseconds that a room is kept beyond the last of its connections, for whoever still asks who is gone.
_KEPT: Final = 60_000

# For each room a sorted set of `user:connection` under the millisecond of its end, and a hash with how many a user has.
# What comes is added before what is over is taken away: so nobody who is still here goes and comes again.
_LIBRARY: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function user_of(entry) return string.sub(entry, 1, string.find(entry, ':', 1, true) - 1) end
local function add(entries, users, entry, milliseconds, came)
  if redis.call('ZADD', entries, now + milliseconds, entry) == 1 then
    local user = user_of(entry)
    if redis.call('HINCRBY', users, user, 1) == 1 then came[#came + 1] = user end
  end
end
local function settle(entries, users, came)
  local gone = {}
  for _, entry in ipairs(redis.call('ZRANGEBYSCORE', entries, '-inf', now)) do
    redis.call('ZREM', entries, entry)
    local user = user_of(entry)
    if redis.call('HINCRBY', users, user, -1) < 1 then
      redis.call('HDEL', users, user)
      gone[#gone + 1] = user
    end
  end
  local last = redis.call('ZRANGE', entries, -1, -1, 'WITHSCORES')
  if last[2] then
    redis.call('PEXPIREAT', entries, last[2] + KEPT)
    redis.call('PEXPIREAT', users, last[2] + KEPT)
  end
  return {came, gone, redis.call('HLEN', users)}
end
""".replace("KEPT", str(_KEPT))
# KEYS: both of each room. ARGV: milliseconds, then for each room the number of its entries and the entries.
_REFRESH: Final = Script(
    _LIBRARY
    + """
local answer, at = {}, 2
for room = 1, #KEYS, 2 do
  local came = {}
  for entry = at + 1, at + ARGV[at] do add(KEYS[room], KEYS[room + 1], ARGV[entry], ARGV[1], came) end
  at = at + ARGV[at] + 1
  answer[#answer + 1] = settle(KEYS[room], KEYS[room + 1], came)
end
return answer
"""
)
# ARGV: milliseconds, then entries. One that ends before does so.
_LEAVE: Final = Script(
    _LIBRARY
    + """
for index = 2, #ARGV do redis.call('ZADD', KEYS[1], 'XX', 'LT', now + ARGV[1], ARGV[index]) end
return settle(KEYS[1], KEYS[2], {})
"""
)
_ONLINE: Final = Script(_LIBRARY + "return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf')")


@dataclass(frozen=True, slots=True)
class Change:
    """What nobody was told before.

    Args:
        came: Users whose first connection this is.
        gone: Users whose last connection is over.
        online: How many users are here now.
    """

    came: frozenset[str]
    gone: frozenset[str]
    online: int


def arrive(room: str, user: str, connection: str, *, seconds: float = EXPIRY) -> Change:
    """Count a connection of a user.

    Args:
        room: Any text, as all of these.
        user: Without a colon.
        connection: One of a kind.
        seconds: How long it counts unless it is refreshed.

    Raises:
        RedisUnavailable: If Redis is away.
    """
    return refresh({room: {connection: user}}, seconds=seconds)[room]


def refresh(rooms: Mapping[str, Mapping[str, str]], *, seconds: float = EXPIRY) -> dict[str, Change]:
    """Let all connections of a process count on, and look who is gone, in one round trip for some thousand.

    Args:
        rooms: For each room the user of each connection; none, to look only.
        seconds: How long they count unless they are refreshed again.

    Raises:
        RedisUnavailable: If Redis is away.
    """
    changes: dict[str, Change] = {}
    for batch in _batches(rooms):
        keys = [part for room in batch for part in _keys(room)]
        arguments: list[str | int] = [int(seconds * 1_000)]
        for connections in batch.values():
            arguments += [len(connections), *_entries(connections)]
        with unavailable_as():
            changes |= zip(batch, map(_change, _REFRESH(keys, arguments)), strict=True)
    return changes


def leave(room: str, connections: Mapping[str, str], *, seconds: float = LINGER) -> Change:
    """Let connections count only a moment longer; ask `refresh` after it who is gone.

    Args:
        room: The room.
        connections: The user of each connection.
        seconds: How long they count still; 0 for whoever may not be here any more.

    Raises:
        RedisUnavailable: If Redis is away.
    """
    with unavailable_as():
        return _change(_LEAVE(_keys(room), [int(seconds * 1_000), *_entries(connections)]))


def online(room: str) -> frozenset[str]:
    """Return the users who are in a room.

    Raises:
        RedisUnavailable: If Redis is away.
    """
    with unavailable_as():
        entries: Sequence[bytes] = _ONLINE(_keys(room))
    return frozenset(entry.decode().partition(":")[0] for entry in entries)


def _batches(rooms: Mapping[str, Mapping[str, str]]) -> Iterator[dict[str, Mapping[str, str]]]:
    """Give the rooms in portions of some _AT_ONCE connections, of which each room counts as one more."""
    batch: dict[str, Mapping[str, str]] = {}
    size = 0
    for room, connections in rooms.items():
        batch[room] = connections
        size += len(connections) + 1
        if size >= _AT_ONCE:
            yield batch
            batch, size = {}, 0
    if batch:
        yield batch


def _keys(room: str) -> list[str]:
    return [key("presence", "connections", room), key("presence", "users", room)]


def _entries(connections: Mapping[str, str]) -> list[str]:
    return [f"{user}:{connection}" for connection, user in connections.items()]


def _change(answer: Any) -> Change:
    came, gone, count = answer
    return Change(_names(came), _names(gone), count)


def _names(users: Sequence[bytes]) -> frozenset[str]:
    return frozenset(user.decode() for user in users)
