import time
from collections.abc import Sequence
from typing import Any, ClassVar, Final
from urllib.parse import parse_qs
from uuid import UUID

from apps.chat.consumers import attendance
from apps.chat.consumers.feed import Feed, feed_of, memberships, speech
from apps.chat.consumers.receipts import Receipts
from apps.chat.exceptions import NotMemberError
from apps.chat.frames import (
    AUTH,
    DELETE,
    EDIT,
    HISTORY,
    LIMITS,
    MESSAGE,
    PING,
    READ,
    TOLD_TO_ALL,
    TYPING,
)
from apps.chat.selectors import MessageSelector
from apps.chat.services import MemberService, MessageService, RoomService
from apps.chat.throttling import message_limit
from apps.chat.types import Draft, Seat, group_of, moment
from apps.common.consumers import Answer, BaseConsumer, ClosingError, in_thread, takes
from apps.common.enums import CloseCode
from apps.common.frames import ClientFrame, ServerFrame
from apps.common.types import SignedIn
from infrastructure import realtime
from infrastructure.ratelimit import Limit, configured

SECONDS_OF_TYPING: Final = 1.0
# What is more is no number of a change.
_SEQ_DIGITS: Final = 18
_SPEAKING: Final = frozenset({MESSAGE, EDIT, DELETE})


class ChatConsumer(BaseConsumer):
    """Everything that happens in a room, in its order, and what somebody says and does there."""

    tells: ClassVar[Sequence[ServerFrame]] = TOLD_TO_ALL
    feed: Feed
    seat: Seat

    @property
    def user_id(self) -> UUID:
        return self.actor.id

    def limits(self, frame: ClientFrame) -> Sequence[Limit]:
        limits = [configured("frames", str(self.user_id))]
        if frame in _SPEAKING:
            limits.append(message_limit(self.user_id))
        return limits

    async def opened(self) -> Answer:
        """Enter the room, as a member if it is public."""
        self._after = _after(self.scope["query_string"])
        self._typed_at = -SECONDS_OF_TYPING
        slug = self.scope["url_route"]["kwargs"]["slug"]
        self.seat = await in_thread(RoomService.enter)(actor=self.actor, slug=slug)
        self.feed = await self._at_end.enter_async_context(feed_of(self.seat.room_id, self))
        self.feed.member_count = self.seat.member_count
        memberships.of(None).add((self.feed, self))
        self._at_end.callback(memberships.of(None).remove, (self.feed, self))
        self._receipts = Receipts(self._keep_reading)
        self._at_end.push_async_callback(self._receipts.close)
        return {
            "room": _room(self.seat),
            "author": self.seat.author,
            "last_seq": self.seat.last_seq,
            "members_online": await self._arrive(),
            "limits": {**LIMITS, "silence": int(self.seconds_of_silence)},
        }

    async def welcomed(self) -> None:
        """Be told what was missed, and then what happens."""
        self._at_end.callback(self.feed.leave, self)
        after = self.seat.last_seq if self._after is None else min(self._after, self.seat.last_seq)
        await self.feed.join(self, after)
        # What happened while the room was entered.
        memberships.of(None).look_at((self.feed, self))

    @takes(AUTH)
    async def auth(self, token: str) -> Answer:
        """Sign in; later, stay signed in with a newer token of the same session."""
        return await super().auth(token)

    @takes(PING)
    async def ping(self) -> Answer:
        """Tell that somebody is there."""
        return {"last_seq": self.feed.seq}

    @takes(MESSAGE)
    async def message(self, message: str, client_id: str = "") -> Answer:
        """Say something, together with what others say at this moment."""
        draft = Draft(self.user_id, message, client_id, self.request_id)
        sent = await speech.of(None)((self.seat.room_id, draft))
        answer = {"id": str(sent.id), "seq": sent.seq, "sent_at": moment(sent.sent_at)}
        return {**answer, "client_id": client_id} if client_id else answer

    @takes(EDIT)
    async def edit(self, message_id: UUID, text: str) -> Answer:
        """Change what a message says."""
        await in_thread(MessageService.edit)(actor=self.actor, slug=self.seat.slug, message_id=message_id, text=text)
        return {"id": str(message_id)}

    @takes(DELETE)
    async def delete(self, message_id: UUID) -> Answer:
        """Take away what a message says."""
        await in_thread(MessageService.delete)(actor=self.actor, slug=self.seat.slug, message_id=message_id)
        return {"id": str(message_id)}

    @takes(READ)
    async def read(self, seq: int) -> Answer:
        """Note how far somebody has read."""
        await self._receipts.note(seq)
        return {"seq": seq}

    @takes(TYPING)
    async def typing(self, state: bool) -> Answer:  # noqa: FBT001  # a field of the frame
        """Tell the members that one of them is typing, once a second at most: a frame here is one to each of them."""
        if self.seat.role is None:
            raise NotMemberError
        now = time.monotonic()
        if now - self._typed_at < SECONDS_OF_TYPING:
            return {}
        self._typed_at = now
        frame = {"type": "typing", "user": str(self.user_id), "state": state}
        await in_thread(realtime.push)(group_of(self.seat.room_id), frame)
        return {}

    @takes(HISTORY)
    async def history(self, limit: int, before: int | None = None, after: int | None = None) -> Answer:
        """Show messages, page by page as they are read."""
        while True:
            page = await in_thread(MessageSelector.page_of)(
                room_id=self.seat.room_id, before=before, after=after, limit=limit
            )
            limit -= len(page.messages)
            is_last = page.complete or limit <= 0
            answer = {"type": "history", "messages": page.messages, "complete": page.complete, "more": not is_last}
            if is_last:
                return answer
            await self.answer(answer)
            await self.outlet.drained()
            before, after = _next(page.messages, after)

    def goes_on(self, signed_in: SignedIn) -> None:
        if signed_in.actor.role != self.actor.role:
            # Who oversaw all rooms may do so no longer.
            memberships.of(None).look_at((self.feed, self))
        super().goes_on(signed_in)

    async def _arrive(self) -> int:
        """Be counted among those who are in the room, and return how many users that are."""
        online = await attendance.arrive(self.feed, self.user_id, self.id)
        self._at_end.push_async_callback(attendance.leave, self.feed, self.user_id, self.id)
        return online

    async def _keep_reading(self, seq: int) -> None:
        await in_thread(MemberService.mark_read)(actor=self.actor, room_id=self.seat.room_id, seq=seq)
        frame = {"type": "read", "user": str(self.user_id), "seq": seq, "socket": self.id}
        await in_thread(realtime.push)(group_of(self.seat.room_id), frame)


def _room(seat: Seat) -> dict[str, Any]:
    return {
        "slug": seat.slug,
        "name": seat.name,
        "visibility": seat.visibility,
        "closed_at": moment(seat.closed_at) if seat.closed_at else None,
        "my_role": seat.role,
        "muted_until": moment(seat.muted_until) if seat.muted_until else None,
        "last_read_seq": seat.last_read_seq,
        "member_count": seat.member_count,
    }


def _after(query_string: bytes) -> int | None:
    """Return the number after which somebody has missed what happened.

    Raises:
        ClosingError: If it is none.
    """
    given = parse_qs(query_string.decode("latin-1"), keep_blank_values=True).get("after")
    if given is None:
        return None
    text = given[0]
    if not (text.isascii() and text.isdigit() and len(text) <= _SEQ_DIGITS):
        raise ClosingError(CloseCode.BAD_FRAMES)
    return int(text)


def _next(messages: Sequence[dict[str, Any]], after: int | None) -> tuple[int | None, int | None]:
    """Return before or after which the next page begins."""
    if after is None:
        return messages[0]["seq"], None
    return None, messages[-1]["seq"]
