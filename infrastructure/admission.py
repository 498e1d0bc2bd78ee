"""What the door asks of Redis, in one round trip: the rows that speak for the caller, and the caller's limits.

The limits are counted only if every row is there: without them it is not known yet whether the caller is admitted at
all. Then the rows come from the database, and the second round trip counts and keeps them for the next time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import orjson

from infrastructure.cache import ROWS, RowCache, RowId, row_json
from infrastructure.ratelimit import (
    COUNT,
    NO_LIMITS,
    Limit,
    RateLimiterUnavailable,
    Verdict,
    count_arguments,
    verdict_of,
)
from infrastructure.redis import Script, unavailable_as

# KEYS: the entries, then the counters. ARGV: how many entries, then the numbers of the limits.
_ADMIT: Final = Script(
    ROWS
    + COUNT
    + """
local entries = tonumber(ARGV[1])
local now = history()
local answer = {now}
for index = 1, entries do
  local text = row(KEYS[index], now)
  if not text then return {now} end
  answer[index + 1] = text
end
answer[entries + 2] = count({unpack(KEYS, entries + 1)}, {unpack(ARGV, 2)})
return answer
"""
)
# KEYS: the same. ARGV: how many entries, the history they belong to, of each its version, its JSON and its lifetime,
# then the numbers of the limits.
_KEEP_AND_COUNT: Final = Script(
    ROWS
    + COUNT
    + """
local entries = tonumber(ARGV[1])
local now = history()
for index = 1, now == ARGV[2] and entries or 0 do
  add(KEYS[index], now, ARGV[3 * index], ARGV[3 * index + 1], ARGV[3 * index + 2])
end
return count({unpack(KEYS, entries + 1)}, {unpack(ARGV, 3 * entries + 3)})
"""
)
# KEYS: the entries of all callers, each once, then all counters. ARGV: how many entries, and how many of them go with
# each caller; then of each caller the places of its entries, how many limits it has, and their numbers.
_ADMIT_ALL: Final = Script(
    ROWS
    + COUNT
    + """
local now = history()
local answer = {now}
local entries, of_one = tonumber(ARGV[1]), tonumber(ARGV[2])
for index = 1, entries do answer[index + 1] = row(KEYS[index], now) end
local verdicts, counter, argument = {}, entries, 3
while ARGV[argument] do
  local known = true
  for place = argument, argument + of_one - 1 do known = known and answer[ARGV[place] + 1] end
  argument = argument + of_one
  local limits = tonumber(ARGV[argument])
  local names, numbers = {}, {}
  for index = 1, limits do
    names[index] = KEYS[counter + index]
    numbers[2 * index - 1] = ARGV[argument + 2 * index - 1]
    numbers[2 * index] = ARGV[argument + 2 * index]
  end
  counter, argument = counter + limits, argument + 2 * limits + 1
  verdicts[#verdicts + 1] = known and count(names, numbers) or {}
end
answer[entries + 2] = verdicts
return answer
"""
)


@dataclass(frozen=True, slots=True)
class Admission:
    """What Redis knew of a caller.

    Args:
        history: What the look saw; whoever keeps the missing rows gives it back.
        rows: As they were asked for; none unless all are there.
        verdict: On the limits, which are counted only where the rows are there.
    """

    history: str
    rows: tuple[dict[str, Any], ...] = ()
    verdict: Verdict = NO_LIMITS


@dataclass(frozen=True, slots=True)
class Row:
    """A row as the database has it, for a cache to keep."""

    cache: RowCache
    id: RowId
    version: int
    payload: Mapping[str, Any]


def admit(wanted: Sequence[tuple[RowCache, RowId]], limits: Sequence[Limit]) -> Admission:
    """Bring the rows and count the limits; or neither, if one of the rows is not there.

    Raises:
        RateLimiterUnavailable: If Redis is away.
    """
    keys = [cache.entry(row_id) for cache, row_id in wanted]
    with unavailable_as(RateLimiterUnavailable):
        answer = _ADMIT([*keys, *_counters(limits)], [len(keys), *count_arguments(limits)])
    history, *found = answer
    if not found:
        return Admission(history.decode())
    *texts, counted = found
    return Admission(history.decode(), tuple(map(orjson.loads, texts)), verdict_of(limits, counted))


def admit_all(callers: Sequence[tuple[Sequence[tuple[RowCache, RowId]], Sequence[Limit]]]) -> list[Admission]:
    """Do for several callers, in their order and in one round trip, what `admit` does for one.

    Whoever passes is not told what is left of his limits.

    Args:
        callers: Of each the rows, of which all have as many, and the limits.

    Raises:
        RateLimiterUnavailable: If Redis is away.
    """
    if not callers:
        return []
    entries = [[cache.entry(row_id) for cache, row_id in wanted] for wanted, _ in callers]
    places = {entry: place for place, entry in enumerate(dict.fromkeys(chain.from_iterable(entries)), 1)}
    counters = [limit.counter for _, limits in callers for limit in limits]
    arguments = [len(places), len(entries[0])]
    for names, (_, limits) in zip(entries, callers, strict=True):
        arguments += [*(places[name] for name in names), len(limits), *count_arguments(limits)]
    with unavailable_as(RateLimiterUnavailable):
        history, *texts, verdicts = _ADMIT_ALL([*places, *counters], arguments)
    rows: list[Any] = [orjson.loads(text) if text else None for text in texts]
    return [
        Admission(
            history.decode(),
            tuple(rows[places[name] - 1] for name in names),
            # What is left of a limit is for headers, which a frame has none of.
            NO_LIMITS if counted[0] else verdict_of(limits, counted),
        )
        if counted
        else Admission(history.decode())
        for names, (_, limits), counted in zip(entries, callers, verdicts, strict=True)
    ]


def keep_and_count(rows: Sequence[Row], limits: Sequence[Limit], *, history: str) -> Verdict:
    """Keep the rows that were missing, where nothing came in between, and count the limits.

    Args:
        history: What the look saw that missed them.

    Raises:
        RateLimiterUnavailable: If Redis is away.
    """
    if not rows and not limits:
        return NO_LIMITS
    entries = [row.cache.entry(row.id) for row in rows]
    kept = [part for row in rows for part in (row.version, row_json(row.payload), row.cache.ttl * 1_000)]
    with unavailable_as(RateLimiterUnavailable):
        arguments = [len(rows), history, *kept, *count_arguments(limits)]
        return verdict_of(limits, _KEEP_AND_COUNT([*entries, *_counters(limits)], arguments))


def _counters(limits: Sequence[Limit]) -> list[str]:
    return [limit.counter for limit in limits]
