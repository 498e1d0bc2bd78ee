"""Who is in a room: counted over all processes, and told to its sockets."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol
from uuid import UUID

from apps.chat.types import group_of
from apps.common.consumers import PerLoop, Rounds, in_thread
from infrastructure import realtime
from infrastructure.realtime import presence
from infrastructure.realtime.presence import EXPIRY, LINGER, Change
from infrastructure.redis import RedisUnavailable

# In a larger room not each person is told of, and how many there are only so often.
NAMED: Final = 200
SECONDS_BETWEEN_COUNTS: Final = 5.0


class Attended(Protocol):
    """A room of this process."""

    @property
    def room_id(self) -> UUID:
        """Which room it is."""

    def connections(self) -> Mapping[str, str]:
        """Return the user of each connection."""


async def arrive(room: Attended, user: UUID, connection: str) -> int:
    """Count a connection, tell the room if it is the user's first, and return how many users are there.

    Raises:
        RedisUnavailable: If Redis is away.
    """
    change = await in_thread(_arrive)(room.room_id, str(user), connection)
    rounds.of(None).add(room)
    return change.online


async def leave(room: Attended, user: UUID, connection: str) -> None:
    """Let a connection count only a moment longer; then the room is told if it was the user's last."""
    try:
        await in_thread(presence.leave)(room.room_id.hex, {connection: str(user)})
    except RedisUnavailable:
        # It is over by itself, as that of a process that was killed.
        return
    asyncio.get_running_loop().call_later(LINGER + 0.1, rounds.of(None).look_at, room)


def _arrive(room_id: UUID, user: str, connection: str) -> Change:
    change = presence.arrive(room_id.hex, user, connection)
    _tell(room_id, change)
    return change


def _refresh(rooms: Mapping[UUID, Mapping[str, str]]) -> None:
    changes = presence.refresh({room_id.hex: connections for room_id, connections in rooms.items()})
    for room_id in rooms:
        _tell(room_id, changes[room_id.hex])


def _tell(room_id: UUID, change: Change) -> None:
    frames = list(_frames(change))
    if frames:
        realtime.push(group_of(room_id), *frames)


def _frames(change: Change) -> Iterator[dict[str, Any]]:
    counted = {"type": "presence", "members_online": change.online}
    if change.online > NAMED:
        yield from [counted] if change.came or change.gone else []
        return
    people: Iterable[tuple[str, bool]] = [(user, True) for user in change.came]
    for user, is_online in [*people, *((user, False) for user in change.gone)]:
        yield {**counted, "user": user, "online": is_online}


async def _look(rooms: Sequence[Attended]) -> None:
    await in_thread(_refresh)({room.room_id: room.connections() for room in rooms})


rounds: PerLoop[None, Rounds[Attended]] = PerLoop(lambda _: Rounds(_look, EXPIRY / 3))
