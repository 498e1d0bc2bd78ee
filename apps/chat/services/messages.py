from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from uuid6 import uuid7

from apps.chat.enums import ChangeKind
from apps.chat.exceptions import BannedError, EditWindowOverError, NotMemberError
from apps.chat.models import Announcement, Message, Room
from apps.chat.selectors import MessageSelector, RoomSelector, oversees
from apps.chat.services.batches import Opening, give_back, open_batches, store
from apps.chat.services.speech import require_fit, require_voice
from apps.chat.services.turns import Turn, entry, hold_room, record, take_turn
from apps.chat.types import Draft, Frame, Person, Said, Sent, Speaker, group_of
from apps.common.exceptions import AppException, ForbiddenError, NotFoundError
from apps.common.types import Actor
from apps.users.enums import AuditAction
from apps.users.services import AuditService
from infrastructure import origin, realtime

EDIT_WINDOW: Final = timedelta(minutes=15)

type Outcome = Sent | AppException


class MessageService:
    @staticmethod
    def send_all(*, room_id: UUID, drafts: Sequence[Draft]) -> list[Outcome]:
        """Store what waits to be said in a room, in one transaction, and tell the room's sockets once it is committed.

        Each draft is judged by itself. One whose client id its author has used before is that same message again. It is
        the same few statements for one draft and for many.

        Returns:
            For each draft, in their order, its message, or the error that its author is to be told.
        """
        if not drafts:
            return []
        with transaction.atomic():
            outcomes = _store({room_id: drafts})
        return outcomes.get(room_id) or [NotFoundError() for _ in drafts]

    @staticmethod
    def send_everywhere(*, drafts: Sequence[tuple[UUID, Draft]]) -> list[Outcome]:
        """Do the same for what waits in several rooms: in one transaction for all that nobody else holds.

        Args:
            drafts: Each with the id of its room.
        """
        waiting: dict[UUID, list[Draft]] = defaultdict(list)
        for room_id, draft in drafts:
            waiting[room_id].append(draft)
        outcomes: dict[UUID, list[Outcome]] = {}
        if len(waiting) > 1:
            with transaction.atomic():
                outcomes = _store(waiting)
        for room_id in waiting.keys() - outcomes.keys():
            outcomes[room_id] = MessageService.send_all(room_id=room_id, drafts=waiting[room_id])
        in_order = {room_id: iter(some) for room_id, some in outcomes.items()}
        return [next(in_order[room_id]) for room_id, _ in drafts]

    @staticmethod
    def send(*, actor: Actor, slug: str, text: str, client_id: str = "") -> Sent:
        """Say something in a room.

        Args:
            client_id: What makes saying it again the same message; empty for none.

        Raises:
            NotFoundError: If the actor sees no such room.
            ForbiddenError: If he is not in it.
            RoomClosedError: If it is closed.
            MutedError: If he is muted in it.
            InvalidInputError: If the text or the client id is too long, or blank, or cannot be stored.
        """
        access = RoomSelector.access(actor=actor, slug=slug)
        draft = Draft(actor.id, text, client_id, origin.request_id())
        (outcome,) = MessageService.send_all(room_id=access.room_id, drafts=[draft])
        if isinstance(outcome, AppException):
            raise outcome
        return outcome

    @staticmethod
    def edit(*, actor: Actor, slug: str, message_id: UUID, text: str) -> dict[str, Any]:
        """Change what a message of the actor's says, within EDIT_WINDOW; the same text once more changes nothing.

        Returns:
            The message as readers are shown it.

        Raises:
            NotFoundError: If the actor sees no such room, or there is no such message in it any more.
            ForbiddenError: If it is somebody else's, or he is not in the room.
            RoomClosedError: If the room is closed.
            MutedError: If he is muted in it.
            EditWindowOverError: If it is too late.
            InvalidInputError: If the text is too long, or blank, or cannot be stored.
        """
        with transaction.atomic():
            turn = take_turn(actor, slug)
            place = turn.require_member()
            message = _message(turn.room, message_id)
            if message.deleted_at is not None:
                raise NotFoundError
            if message.author_id != actor.id:
                raise ForbiddenError
            require_fit(text)
            require_voice(closed_at=turn.room.closed_at, muted_until=place.muted_until)
            if timezone.now() - message.created_at > EDIT_WINDOW:
                raise EditWindowOverError
            if text != message.text:
                message.text, message.edited_at = text, timezone.now()
                message.save(update_fields=["text", "edited_at"])
                _record(turn, ChangeKind.MESSAGE_EDITED, message)
            return MessageSelector.one(room_id=turn.room.pk, message_id=message_id).shown()

    @staticmethod
    def delete(*, actor: Actor, slug: str, message_id: UUID) -> None:
        """Take away what a message says; once more is no error.

        Raises:
            NotFoundError: If the actor sees no such room, or there is no such message in it.
            ForbiddenError: If it is somebody else's and he moderates neither this room nor all.
        """
        with transaction.atomic():
            turn = take_turn(actor, slug)
            message = _message(turn.room, message_id)
            is_for_actor = _is_for(turn, message)
            if not (is_for_actor or oversees(actor)):
                raise ForbiddenError
            if message.deleted_at is not None:
                return
            if not is_for_actor:
                _audit_removal(turn, message)
            message.text, message.deleted_at = "", timezone.now()
            message.save(update_fields=["text", "deleted_at"])
            _record(turn, ChangeKind.MESSAGE_DELETED, message)

    @staticmethod
    def publish(*, announcement_id: UUID) -> None:
        """Let a room say what a moderator has asked it to; once said, or where the room is closed, there is nothing."""
        with transaction.atomic():
            announcement = Announcement.objects.select_related("room").filter(pk=announcement_id).first()
            if announcement is None:
                return
            announcement.delete()
            try:
                room = hold_room(pk=announcement.room_id)
            except NotFoundError:
                return
            if room.closed_at is None:
                _say(room, announcement.text)


@dataclass(slots=True)
class _Batch:
    """What waits to be said in a room that is held.

    Args:
        next_seq: The number of the next message.
        fresh: What has to be stored, each with its draft.
    """

    opening: Opening
    next_seq: int
    sent_at: datetime
    fresh: list[tuple[Draft, Said]] = field(default_factory=list)

    def outcome(self, draft: Draft) -> Outcome:
        try:
            return self._take(draft)
        except AppException as error:
            return error

    def _take(self, draft: Draft) -> Sent:
        speaker = _require_speaker(self.opening.speakers.get(draft.author_id))
        key = (draft.author_id, draft.client_id)
        if draft.client_id and key in self.opening.known:
            return _sent(self.opening.known[key], repeated=True)
        require_voice(closed_at=self.opening.closed_at, muted_until=speaker.muted_until)
        require_fit(draft.text, draft.client_id)
        said = Said(uuid7(), self.next_seq, speaker.person, draft.client_id, draft.text, self.sent_at, None, None)
        self.next_seq += 1
        self.opening.known[key] = said
        self.fresh.append((draft, said))
        return _sent(said)


def _store(waiting: Mapping[UUID, Sequence[Draft]]) -> dict[UUID, list[Outcome]]:
    """Store what waits in the rooms that can be held, and return what came of it there."""
    sent_at = timezone.now()
    openings = open_batches(waiting)
    batches = {room_id: _Batch(opening, opening.first_seq, sent_at) for room_id, opening in openings.items()}
    outcomes = {room_id: [batch.outcome(draft) for draft in waiting[room_id]] for room_id, batch in batches.items()}
    for room_id, batch in batches.items():
        if len(batch.fresh) < len(waiting[room_id]):
            give_back(room_id, len(waiting[room_id]) - len(batch.fresh))
    if fresh := [(room_id, said) for room_id, batch in batches.items() for _, said in batch.fresh]:
        store(fresh)
    realtime.push_to_each({group_of(room_id): _frames(batch) for room_id, batch in batches.items() if batch.fresh})
    return outcomes


def _frames(batch: _Batch) -> list[Frame]:
    """Return what a room is told, each with the id of the request that brought it."""
    return [
        {**said.frame(), "request_id": draft.request_id} if draft.request_id else said.frame()
        for draft, said in batch.fresh
    ]


def _say(room: Room, text: str) -> None:
    """Let a room that is held speak itself."""
    room.last_seq += 1
    room.save(update_fields=["last_seq", "updated_at"])
    said = Said(uuid7(), room.last_seq, None, "", text, timezone.now(), None, None)
    store([(room.pk, said)])
    realtime.push(group_of(room.pk), said.frame())


def _sent(said: Said, *, repeated: bool = False) -> Sent:
    return Sent(said.id, said.seq, said.sent_at, said.client_id, said.frame(), repeated)


def _message(room: Room, message_id: UUID) -> Message:
    """Return a message of a room that is held, and so is the message."""
    message = Message.objects.filter(pk=message_id, room=room).first()
    if message is None:
        raise NotFoundError
    return message


def _record(turn: Turn, kind: ChangeKind, message: Message) -> None:
    # Such a frame says by its id who did it, and no more.
    record(turn.room, entry(turn.room, kind, user=Person(turn.actor.id, "", ""), message=message))


def _require_speaker(speaker: Speaker | None) -> Speaker:
    if speaker is None or not speaker.is_standing:
        raise BannedError if speaker and speaker.is_banned else NotMemberError
    return speaker


def _is_for(turn: Turn, message: Message) -> bool:
    """Tell whether a message is the actor's to delete for his place in the room: his own, or a moderator's any."""
    return turn.moderates or (turn.role is not None and message.author_id == turn.actor.id)


def _audit_removal(turn: Turn, message: Message) -> None:
    AuditService.record(
        action=AuditAction.MESSAGE_REMOVED,
        account_id=message.author_id,
        actor_id=turn.actor.id,
        room_id=str(turn.room.pk),
        message_id=str(message.pk),
    )
