"""What happens in a room, for all its sockets of one process: in order, without a hole, and each thing once."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, Protocol
from uuid import UUID

import structlog

from apps.chat.consumers import attendance
from apps.chat.consumers.attendance import SECONDS_BETWEEN_COUNTS
from apps.chat.enums import ChangeKind, MemberChange
from apps.chat.selectors import ChangeSelector, MemberSelector
from apps.chat.services import MessageService
from apps.chat.types import Draft, Sent, group_of
from apps.common.consumers import PerLoop, Rounds, Together, in_thread
from apps.common.enums import CloseCode
from apps.common.exceptions import AppException
from apps.common.handlers import error_frame
from infrastructure import realtime
from infrastructure.realtime import Outlet, Prepared

HEARTBEAT: Final = 20.0
SECONDS_BETWEEN_CHECKS: Final = 10.0
# What is missing may be on its way: another process has committed first, and sends last.
GRACE: Final = 0.05
# Changes that are read from the store at once.
PAGE: Final = 500
# A greater hole is told and not filled: each socket would be sent all of it at once.
MOST_MISSED: Final = 2_000
# Whoever was away for longer begins with what comes next.
MOST_REPLAYED: Final = 50_000
# Whoever is caught up is sent no more before he has read all but so much.
CATCH_UP_BACKLOG: Final = 64 * 1024
# In a larger room nobody else is told how far somebody has read.
SMALL_ROOM: Final = 50
_PAUSE: Final = 1.0
_STORED: Final = frozenset({"message", *ChangeKind.values})
_GONE: Final = frozenset({MemberChange.LEFT, MemberChange.REMOVED, MemberChange.BANNED})

log = structlog.get_logger("layerline.sockets")


class Reader(Protocol):
    """A socket in a room."""

    @property
    def id(self) -> str:
        """What tells it from all others."""

    @property
    def user_id(self) -> UUID:
        """Whose it is."""

    @property
    def outlet(self) -> Outlet:
        """The way out to it."""

    def end(self, code: CloseCode) -> None:
        """Close it."""


class Feed:
    """Hears what happens in a room once for a process, and hands it to those of its sockets that are caught up.

    What is pushed is a hint: where a number is missing, and at each heartbeat, the store is asked.
    """

    def __init__(self, room_id: UUID) -> None:
        self.room_id = room_id
        # The number of what was handed out last.
        self.seq = 0
        self.member_count = 0
        # All sockets of the room, those included that are still being caught up.
        self.visitors: set[Reader] = set()
        self._readers: set[Reader] = set()
        # Those who were caught up beyond what was heard so far.
        self._ahead: dict[Reader, int] = {}
        # What was heard before its turn.
        self._early: dict[int, tuple[dict[str, Any], str]] = {}
        # The number up to which the store is known to have something.
        self._known = 0
        self._filling: asyncio.Task[None] | None = None
        self._opening: asyncio.Task[None] | None = None
        self._at_end = AsyncExitStack()
        # How many are there, as long as that waits to be told.
        self._count = ""
        self._counting: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        """Begin to listen, if this was not begun.

        Raises:
            RealtimeUnavailable: If Redis is away.
            NotFoundError: If the room is gone.
        """
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
        opening = self._opening
        try:
            await asyncio.shield(opening)
        except Exception:
            if self._opening is opening:
                self._opening = None
            raise

    async def shut(self) -> None:
        """Listen no longer."""
        heartbeats.of(None).remove(self)
        attendance.rounds.of(None).remove(self)
        if self._counting:
            self._counting.cancel()
        if self._filling:
            self._filling.cancel()
        await self._at_end.aclose()

    async def join(self, reader: Reader, after: int) -> None:
        """Send a socket all that happened after a number, from the store, and from there on what is heard."""
        seq = after
        if self.seq - after > MOST_REPLAYED:
            reader.outlet.write(_resync(self.seq))
            seq = self.seq
        while seq < self.seq:
            frames = await in_thread(ChangeSelector.after)(room_id=self.room_id, seq=seq, limit=PAGE)
            if not frames:
                break
            for frame in frames:
                await _let_read(reader.outlet)
                reader.outlet.write(Prepared(json.dumps(frame)))
            seq = frames[-1]["seq"]
        # Nothing is waited for since the comparison: what is heard next is what comes next.
        self._readers.add(reader)
        if seq > self.seq:
            self._ahead[reader] = seq

    def leave(self, reader: Reader) -> None:
        """Send a socket nothing any more."""
        self._readers.discard(reader)
        self._ahead.pop(reader, None)

    def heard(self, text: str) -> None:
        """Take what was pushed to the room's group."""
        frame = json.loads(text)
        kind = frame["type"]
        if kind in _STORED:
            self._take(frame, text)
        elif kind == "typing":
            self._tell(Prepared(text), but_user=frame["user"], droppable=True)
        elif kind == "read":
            self._tell_reading(frame)
        elif kind == "presence":
            self._tell_presence(frame, text)
        elif kind == "room.deleted":
            self.end(CloseCode.NOT_FOUND)

    def connections(self) -> Mapping[str, str]:
        """Return the user of each socket."""
        return {reader.id: str(reader.user_id) for reader in self.visitors}

    def interrupted(self) -> None:
        """Ask the store: something may have been missed."""
        heartbeats.of(None).look_at(self)

    def compare(self, last_seq: int) -> None:
        """Take note of what the store has, and read what was missed."""
        self._known = max(self._known, last_seq)
        self._fill_up()

    def beat(self) -> None:
        """Tell every socket up to where it has missed nothing."""
        self._tell(Prepared(json.dumps({"type": "heartbeat", "last_seq": self.seq})))

    def end(self, code: CloseCode) -> None:
        """Close every socket."""
        for reader in tuple(self._readers):
            reader.end(code)

    def _take(self, frame: dict[str, Any], text: str) -> None:
        seq = frame["seq"]
        if seq > self.seq:
            self._early[seq] = (frame, text)
            self._hand_out()
            self._fill_up()

    def _hand_out(self) -> None:
        while (due := self._early.pop(self.seq + 1, None)) is not None:
            self.seq += 1
            self._tell(Prepared(due[1]), seq=self.seq)
            self._note(due[0])

    def _note(self, frame: dict[str, Any]) -> None:
        """Draw from a change what it means for the sockets here."""
        if frame["type"] != ChangeKind.MEMBER:
            return
        if frame["change"] == MemberChange.JOINED:
            self.member_count += 1
        elif frame["change"] in _GONE:
            self.member_count -= 1
            self.doubt(UUID(frame["user"]["id"]))

    def doubt(self, user_id: UUID) -> None:
        """Ask at once whether somebody may still be here."""
        for reader in self._readers:
            if reader.user_id == user_id:
                memberships.of(None).look_at((self, reader))

    def _tell(
        self, prepared: Prepared, *, seq: int | None = None, but_user: str | None = None, droppable: bool = False
    ) -> None:
        if but_user is None and not self._ahead:
            for reader in self._readers:
                reader.outlet.write(prepared, droppable=droppable)
            return
        for reader in self._readers:
            if but_user == str(reader.user_id) or (seq is not None and seq <= self._ahead.get(reader, 0)):
                continue
            reader.outlet.write(prepared, droppable=droppable)
        if seq is not None:
            self._ahead = {reader: ahead for reader, ahead in self._ahead.items() if ahead > seq}

    def _tell_reading(self, frame: dict[str, Any]) -> None:
        """Tell how far somebody has read: himself elsewhere, and in a small room everybody."""
        socket = frame.pop("socket")
        prepared = Prepared(json.dumps(frame))
        for reader in self._readers:
            is_his = frame["user"] == str(reader.user_id)
            if reader.id != socket and (is_his or self.member_count <= SMALL_ROOM):
                reader.outlet.write(prepared, droppable=True)

    def _tell_presence(self, frame: dict[str, Any], text: str) -> None:
        """Tell who is there; in a large room how many, and not each time."""
        if "user" in frame:
            self._tell(Prepared(text))
            return
        self._count = text
        if self._counting is None:
            self._tell_count()

    def _tell_count(self) -> None:
        self._counting = None
        if self._count:
            self._tell(Prepared(self._count))
            self._count = ""
            loop = asyncio.get_running_loop()
            self._counting = loop.call_later(SECONDS_BETWEEN_COUNTS, self._tell_count)

    def _fill_up(self) -> None:
        """Read what is missing, if something is, unless that is being done."""
        if self._filling is None and (self._early or self._known > self.seq):
            self._filling = asyncio.create_task(self._fill())

    async def _fill(self) -> None:
        try:
            await asyncio.sleep(GRACE)
            while (last := max(self._known, *self._early, 0)) > self.seq:
                await self._fill_to(last)
        finally:
            self._filling = None

    async def _fill_to(self, last: int) -> None:
        if last - self.seq > MOST_MISSED:
            self._skip_to(last)
            return
        try:
            frames = await in_thread(ChangeSelector.after)(room_id=self.room_id, seq=self.seq, limit=PAGE)
        except Exception as error:  # noqa: BLE001  # logged there; the store comes back
            error_frame(error)
            await asyncio.sleep(_PAUSE)
            return
        if not frames:
            # Deleted meanwhile, and what was said in it.
            self._known = self.seq
            self._early.clear()
            return
        for frame in frames:
            self._early.setdefault(frame["seq"], (frame, json.dumps(frame)))
        self._hand_out()

    def _skip_to(self, last: int) -> None:
        log.warning("feed_skipped", room_id=str(self.room_id), changes=last - self.seq)
        self.seq = last
        self._early = {seq: due for seq, due in self._early.items() if seq > last}
        self._tell(_resync(last))
        # Who was away may have been taken out, too.
        for reader in self._readers:
            memberships.of(None).look_at((self, reader))

    async def _open(self) -> None:
        await self._at_end.enter_async_context(realtime.listening(group_of(self.room_id), self))
        # Only now: what was committed before is in the store, and what comes after is heard.
        last_seqs = await in_thread(ChangeSelector.last_seqs)(room_ids=[self.room_id])
        # A room that is gone has nobody who could join.
        self.seq = self._known = last_seqs.get(self.room_id, 0)
        self._early = {seq: due for seq, due in self._early.items() if seq > self.seq}
        heartbeats.of(None).add(self)


@asynccontextmanager
async def feed_of(room_id: UUID, visitor: Reader) -> AsyncIterator[Feed]:
    """Give the feed of a room, of which a process has one while there are sockets.

    Raises:
        RealtimeUnavailable: If Redis is away.
    """
    feed = _feeds.of(room_id)
    feed.visitors.add(visitor)
    try:
        await feed.open()
        yield feed
    finally:
        feed.visitors.remove(visitor)
        if not feed.visitors:
            _feeds.forget(room_id)
            await feed.shut()


_feeds: PerLoop[UUID, Feed] = PerLoop(Feed)


async def _beat(feeds: Sequence[Feed]) -> None:
    """Compare all rooms of a process with the store, in one query, and tell the sockets how far they are."""
    last_seqs = await in_thread(ChangeSelector.last_seqs)(room_ids=[feed.room_id for feed in feeds])
    for feed in feeds:
        if feed.room_id in last_seqs:
            feed.compare(last_seqs[feed.room_id])
            feed.beat()
        else:
            feed.end(CloseCode.NOT_FOUND)


async def _check(places: Sequence[tuple[Feed, Reader]]) -> None:
    """Close the sockets of those who may be in their rooms no longer, of all rooms of a process in one query."""
    standing = await in_thread(MemberSelector.standing_in)(
        places={(feed.room_id, reader.user_id) for feed, reader in places}
    )
    for feed, reader in places:
        if (feed.room_id, reader.user_id) not in standing:
            reader.end(CloseCode.FORBIDDEN)


# What is said at the same moment, in whichever rooms, is stored together.
speech: PerLoop[None, Together[tuple[UUID, Draft], Sent]] = PerLoop(lambda _: Together(_send_all))
heartbeats: PerLoop[None, Rounds[Feed]] = PerLoop(lambda _: Rounds(_beat, HEARTBEAT))
memberships: PerLoop[None, Rounds[tuple[Feed, Reader]]] = PerLoop(lambda _: Rounds(_check, SECONDS_BETWEEN_CHECKS))


def _send_all(drafts: Sequence[tuple[UUID, Draft]]) -> Sequence[Sent | AppException]:
    return MessageService.send_everywhere(drafts=drafts)


def _resync(last_seq: int) -> Prepared:
    return Prepared(json.dumps({"type": "resync", "last_seq": last_seq}))


async def _let_read(outlet: Outlet) -> None:
    """Wait until somebody has read most of what was sent."""
    while outlet.backlog > CATCH_UP_BACKLOG:
        await outlet.drained()
        # What is held behind an answer goes out with it.
        await asyncio.sleep(0)
