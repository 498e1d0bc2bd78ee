"""What a feed does where pushes are late, doubled or lost: the store is asked."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from channels.db import database_sync_to_async
from django.utils import timezone

from apps.chat.consumers.feed import MOST_MISSED, MOST_REPLAYED, Feed, feed_of, heartbeats
from apps.chat.models import Message, Room
from apps.chat.tests.support import history, open_room
from apps.chat.types import Frame
from apps.common.enums import CloseCode
from apps.users.tests.factories import UserFactory
from infrastructure.realtime import Outlet, outlet_of

pytestmark = pytest.mark.django_db(transaction=True)


class _Reader:
    """A socket that remembers what it is sent."""

    def __init__(self) -> None:
        self.id = uuid4().hex
        self.user_id = uuid4()
        self.frames: list[Frame] = []
        self.ended: list[CloseCode] = []
        self.outlet: Outlet = outlet_of({}, self._send, lambda: None)
        self._changed = asyncio.Event()

    async def _send(self, event: Any) -> None:
        self.frames.append(json.loads(event["text"]))
        self._changed.set()

    def end(self, code: CloseCode) -> None:
        self.ended.append(code)
        self._changed.set()

    async def until(self, is_so: Callable[[], object]) -> None:
        """Wait for something that follows from what is sent here."""
        async with asyncio.timeout(5):
            while not is_so():
                self._changed.clear()
                await self._changed.wait()

    @property
    def seqs(self) -> list[int]:
        return [frame["seq"] for frame in self.frames if "seq" in frame]


class _Scene:
    """A feed with a socket that is caught up, and a store that has gone on without a word."""

    def __init__(self, feed: Feed, reader: _Reader, missed: list[Frame]) -> None:
        self.feed, self.reader, self._missed = feed, reader, missed
        self.before = feed.seq

    def hear(self, *places: int) -> None:
        """Let the feed hear of what was missed, in this order; the first is 0."""
        for place in places:
            self.feed.heard(json.dumps(self._missed[place]))

    async def until(self, count: int) -> list[int]:
        """Return the numbers that the socket was sent, from the beginning of the scene, once there are so many."""
        await self.reader.until(lambda: len(self.reader.seqs) >= count)
        return [seq - self.before for seq in self.reader.seqs]


def _play(missed: int, scene: Callable[[_Scene], Awaitable[None]]) -> None:
    """Play a scene in which so many messages are stored and not pushed."""
    ada = UserFactory.create()
    room = open_room(ada)

    def store() -> list[Frame]:
        # Past the service, which would push them.
        last = room.last_seq
        Message.objects.bulk_create(
            Message(room=room, seq=last + number, author=ada, text=str(number)) for number in range(1, missed + 1)
        )
        Room.objects.filter(pk=room.pk).update(last_seq=last + missed)
        return history(room)[last:]

    async def play() -> None:
        reader = _Reader()
        async with feed_of(room.pk, reader) as feed:
            await feed.join(reader, feed.seq)
            await scene(_Scene(feed, reader, await database_sync_to_async(store)()))

    asyncio.run(play())


def test_what_comes_in_the_wrong_order_is_handed_out_in_the_right_one() -> None:
    async def scene(scene: _Scene) -> None:
        scene.hear(2, 1)
        assert scene.reader.seqs == []
        scene.hear(0)
        assert await scene.until(3) == [1, 2, 3]

    _play(3, scene)


def test_what_comes_twice_is_handed_out_once() -> None:
    async def scene(scene: _Scene) -> None:
        scene.hear(0, 0, 1, 0, 1)
        assert await scene.until(2) == [1, 2]

    _play(2, scene)


def test_a_hole_is_filled_from_the_store() -> None:
    async def scene(scene: _Scene) -> None:
        scene.hear(0, 4)
        assert await scene.until(5) == [1, 2, 3, 4, 5]
        assert [frame["message"] for frame in scene.reader.frames] == ["1", "2", "3", "4", "5"]

    _play(5, scene)


def test_what_no_push_tells_is_found_by_comparing_with_the_store() -> None:
    async def scene(scene: _Scene) -> None:
        scene.feed.interrupted()
        assert await scene.until(3) == [1, 2, 3]

    _play(3, scene)


def test_more_than_is_sent_at_once_is_told_and_what_comes_next_is_handed_out() -> None:
    async def scene(scene: _Scene) -> None:
        missed = MOST_MISSED + 1
        scene.feed.compare(scene.before + missed)
        await scene.reader.until(lambda: scene.reader.frames)
        assert scene.reader.frames == [{"type": "resync", "last_seq": scene.before + missed}]
        scene.feed.heard(json.dumps({"type": "message", "seq": scene.before + missed + 1}))
        assert await scene.until(1) == [missed + 1]

    _play(0, scene)


def test_whoever_was_caught_up_beyond_what_was_heard_gets_nothing_twice() -> None:
    async def scene(scene: _Scene) -> None:
        late = _Reader()
        # Nobody has told the feed yet, and the store is asked first.
        scene.feed.seq = scene.before + 1
        await scene.feed.join(late, scene.before)
        scene.feed.seq = scene.before
        scene.hear(0, 1, 2)
        await scene.until(3)
        assert [seq - scene.before for seq in late.seqs] == [1, 2, 3]

    _play(3, scene)


def test_whoever_was_away_for_too_long_is_told_so_and_begins_with_what_comes_next() -> None:
    async def scene(scene: _Scene) -> None:
        late = _Reader()
        scene.feed.seq = last = scene.before + MOST_REPLAYED + 1
        await scene.feed.join(late, scene.before)
        scene.feed.heard(json.dumps({"type": "message", "seq": last + 1}))
        assert late.frames == [{"type": "resync", "last_seq": last}, {"type": "message", "seq": last + 1}]

    _play(0, scene)


def test_a_heartbeat_tells_how_far_everybody_is_and_fills_what_is_missing() -> None:
    async def scene(scene: _Scene) -> None:
        heartbeats.of(None).look_at(scene.feed)
        assert await scene.until(2) == [1, 2]
        assert {"type": "heartbeat", "last_seq": scene.before} in scene.reader.frames
        assert scene.reader.ended == []

    _play(2, scene)


def test_a_room_that_is_gone_ends_its_sockets() -> None:
    async def scene(scene: _Scene) -> None:
        await database_sync_to_async(Room.objects.update)(deleted_at=timezone.now(), name="")
        heartbeats.of(None).look_at(scene.feed)
        await scene.reader.until(lambda: scene.reader.ended)
        assert scene.reader.ended == [CloseCode.NOT_FOUND]

    _play(0, scene)


def test_a_room_has_one_feed_while_there_are_sockets_and_then_none() -> None:
    room_id = open_room(UserFactory.create()).pk

    async def scene() -> None:
        first, second = _Reader(), _Reader()
        async with feed_of(room_id, first) as feed:
            async with feed_of(room_id, second) as same:
                assert same is feed
                assert feed.connections() == {one.id: str(one.user_id) for one in (first, second)}
            assert feed in heartbeats.of(None)
        assert feed not in heartbeats.of(None)
        async with feed_of(room_id, first) as another:
            assert another is not feed

    asyncio.run(scene())


def test_many_who_come_at_once_share_one_beginning() -> None:
    room_id = open_room(UserFactory.create()).pk

    @asynccontextmanager
    async def visited() -> AsyncIterator[Feed]:
        async with feed_of(room_id, _Reader()) as feed:
            yield feed

    async def scene() -> None:
        entering = [visited() for _ in range(20)]
        found = await asyncio.gather(*(context.__aenter__() for context in entering))
        assert len({id(feed) for feed in found}) == 1
        for context in entering:
            await context.__aexit__(None, None, None)

    asyncio.run(scene())


def test_how_many_there_are_in_a_large_room_is_told_only_so_often() -> None:
    async def scene(scene: _Scene) -> None:
        for online in range(201, 206):
            scene.feed.heard(json.dumps({"type": "presence", "members_online": online}))
        assert [frame["members_online"] for frame in scene.reader.frames] == [201]
        scene.feed._tell_count()
        assert [frame["members_online"] for frame in scene.reader.frames] == [201, 205]

    _play(0, scene)
