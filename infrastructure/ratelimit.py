"""Limits counted atomically in Redis, and a stricter fall-back inside the process."""

import math
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from threading import Lock
from typing import Final, cast

from django.conf import settings
from django.utils.crypto import salted_hmac

from infrastructure import metrics
from infrastructure.redis import RedisUnavailable, Script, client, key, unavailable_as

# A process remembers this many subjects while Redis is away; the longest unseen is forgotten first.
LOCAL_SUBJECTS: Final = 10_000
# What remains of a limit in one process while Redis is away.
LOCAL_SHARE: Final = 10

# First every scope is looked at, then all are counted or none: a request that one scope refuses costs nothing in the
# others. Returns whether it passed, then for each scope what is used and the milliseconds until its window ends.
COUNT: Final = """
local function count(names, numbers)
  local answer, used = {1}, {}
  for index, name in ipairs(names) do
    used[index] = tonumber(redis.call('GET', name) or '0')
    if used[index] >= tonumber(numbers[2 * index - 1]) then answer[1] = 0 end
  end
  for index, name in ipairs(names) do
    local window = tonumber(numbers[2 * index])
    if answer[1] == 1 then used[index] = redis.call('INCR', name) end
    local left = redis.call('PTTL', name)
    if left < 0 then
      if answer[1] == 1 then redis.call('PEXPIRE', name, window) end
      left = window
    end
    answer[#answer + 1] = used[index]
    answer[#answer + 1] = left
  end
  return answer
end
"""
_HIT: Final = Script(COUNT + "return count(KEYS, ARGV)")


class RateLimiterUnavailable(RedisUnavailable):
    """Nothing can be counted, for Redis is away."""


@dataclass(frozen=True, slots=True)
class Limit:
    """So many requests of a subject in a window, which begins at the subject's first request.

    Args:
        scope: The policy's name, as clients read it in the headers.
        subject: Who is counted: an account, an address or both; stored only as a keyed hash.
        count: Requests in a window.
        window: Seconds.
    """

    scope: str
    subject: str = field(repr=False)
    count: int
    window: int

    @property
    def counter(self) -> str:
        """The counter's key; the window stands in it, so that a changed setting acts at once."""
        return key("limit", self.scope, str(self.window), _digest(self.subject, settings.SECRET_KEY))


@lru_cache(maxsize=4_096)
def _digest(subject: str, secret: str) -> str:
    # One request asks for several limits of a subject, and a client sends several requests.
    salt = "infrastructure.ratelimit"
    text = subject.encode(errors="surrogatepass")
    return salted_hmac(salt, text, secret=secret, algorithm="sha256").hexdigest()[:32]


def configured(scope: str, subject: str) -> Limit:
    """Return the limit that the settings give the scope."""
    count, window = settings.THROTTLE_RATES[scope]
    return Limit(scope=scope, subject=subject, count=count, window=window)


@dataclass(frozen=True, slots=True)
class State:
    """What is left of a limit, and the seconds until it is whole again."""

    limit: Limit
    remaining: int
    reset: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request may pass; `retry_after` in seconds, 0 if it may."""

    allowed: bool
    retry_after: int
    states: tuple[State, ...]


# Of a request that counts against nothing.
NO_LIMITS: Final = Verdict(allowed=True, retry_after=0, states=())


def hit(limits: Sequence[Limit]) -> Verdict:
    """Count a request against all limits, or against none if one of them refuses it.

    Raises:
        RateLimiterUnavailable: If Redis is away.
    """
    if not limits:
        return NO_LIMITS
    with unavailable_as(RateLimiterUnavailable):
        answer = _HIT([limit.counter for limit in limits], count_arguments(limits))
    return verdict_of(limits, answer)


def is_reached(limit: Limit) -> bool:
    """Tell whether nothing is left of a limit, and count nothing.

    Raises:
        RateLimiterUnavailable: If Redis is away.
    """
    with unavailable_as(RateLimiterUnavailable):
        used = cast("bytes | None", client().get(limit.counter))
    return int(used or 0) >= limit.count


def count_arguments(limits: Sequence[Limit]) -> list[int]:
    """Return what `count` in COUNT is told of each limit."""
    return [number for limit in limits for number in (limit.count, limit.window * 1_000)]


def verdict_of(limits: Sequence[Limit], answer: Sequence[int]) -> Verdict:
    """Return what an answer of `count` in COUNT means."""
    allowed, *numbers = answer
    states = tuple(
        _state(limit, used, left / 1_000) for limit, used, left in zip(limits, numbers[::2], numbers[1::2], strict=True)
    )
    return _verdict(states, allowed=bool(allowed))


# When each counter's window ends (monotonic seconds) and what is used of it, the longest unseen first.
_local: OrderedDict[str, tuple[float, int]] = OrderedDict()
_local_lock = Lock()


def hit_local(limits: Sequence[Limit]) -> Verdict:
    """Count a request in this process alone, against a tenth of each limit, for the time that Redis is away.

    Only requests that pass make entries, so that one refused client cannot push the others out of the memory.
    """
    shares = [replace(limit, count=max(1, limit.count // LOCAL_SHARE)) for limit in limits]
    now = time.monotonic()
    with _local_lock:
        windows = [_local_window(limit, now) for limit in shares]
        allowed = all(used < limit.count for limit, (_, used) in zip(shares, windows, strict=True))
        if allowed:
            windows = [(end, used + 1) for end, used in windows]
            _local.update(zip((limit.counter for limit in shares), windows, strict=True))
            while len(_local) > LOCAL_SUBJECTS:
                _local.popitem(last=False)
    states = tuple(_state(limit, used, end - now) for limit, (end, used) in zip(shares, windows, strict=True))
    return _verdict(states, allowed=allowed)


def _local_window(limit: Limit, now: float) -> tuple[float, int]:
    end, used = _local.get(limit.counter, (0.0, 0))
    if end <= now:
        return now + limit.window, 0
    _local.move_to_end(limit.counter)
    return end, used


def _state(limit: Limit, used: int, seconds: float) -> State:
    return State(limit=limit, remaining=max(0, limit.count - used), reset=max(1, math.ceil(seconds)))


def _verdict(states: tuple[State, ...], *, allowed: bool) -> Verdict:
    # After a refusal nothing was counted, so what is used up now is what refused.
    refusing = () if allowed else tuple(state for state in states if not state.remaining)
    for state in refusing:
        metrics.throttled(scope=state.limit.scope)
    retry_after = max((state.reset for state in refusing), default=0)
    return Verdict(allowed=allowed, retry_after=retry_after, states=states)


def rate_limit_headers(verdict: Verdict) -> dict[str, str]:
    """Return `RateLimit-Policy` and `RateLimit`, structured lists with one member for each limit.

    Source: draft-ietf-httpapi-ratelimit-headers-11, sections 3 and 4.
    """
    if not verdict.states:
        return {}
    policies = (f'"{state.limit.scope}";q={state.limit.count};w={state.limit.window}' for state in verdict.states)
    limits = (f'"{state.limit.scope}";r={state.remaining};t={state.reset}' for state in verdict.states)
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(limits)}
