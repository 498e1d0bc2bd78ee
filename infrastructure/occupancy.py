"""How many things of a subject are open at once, over all processes: counted in Redis, and forgotten by the clock."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from django.utils.crypto import salted_hmac

from infrastructure.redis import Script, client, key, unavailable_as

# Seconds for which a place is kept for a process that has said nothing since: it may have been killed.
LIFETIME: Final = 90
# KEYS: the places. ARGV: the time, when the new one ends, its name, how many there may be, how long the key lives.
_TAKE: Final = Script(
    """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return 1
"""
)


@dataclass(frozen=True, slots=True)
class Place:
    """One of the things that a subject has open.

    Args:
        scope: What kind of thing it is.
        subject: Whose it is; stored only as a keyed hash.
        name: What tells it from the subject's others.
    """

    scope: str
    subject: str = field(repr=False)
    name: str

    @property
    def places(self) -> str:
        """The key of all places of the subject."""
        digest = salted_hmac("infrastructure.occupancy", self.subject, algorithm="sha256").hexdigest()
        return key("open", self.scope, digest[:32])


def take(place: Place, *, at_most: int) -> bool:
    """Take a place, unless as many are taken as there may be; return whether there was one.

    Raises:
        RedisUnavailable: If Redis is away.
    """
    now = time.time()
    with unavailable_as():
        return bool(_TAKE([place.places], [str(now), str(now + LIFETIME), place.name, at_most, LIFETIME * 1_000]))


def keep(places: Sequence[Place]) -> None:
    """Keep places that were taken, in one round trip. Call it more than twice in LIFETIME.

    Raises:
        RedisUnavailable: If Redis is away.
    """
    until = time.time() + LIFETIME
    with unavailable_as(), client().pipeline(transaction=False) as pipeline:
        for place in places:
            pipeline.zadd(place.places, {place.name: until})
            pipeline.expire(place.places, LIFETIME)
        pipeline.execute()


def give_up(place: Place) -> None:
    """Give a place to others.

    Raises:
        RedisUnavailable: If Redis is away; it is free after LIFETIME then.
    """
    with unavailable_as():
        client().zrem(place.places, place.name)
