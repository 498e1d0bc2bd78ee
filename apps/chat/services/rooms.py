from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.chat.enums import RoomRole, Visibility
from apps.chat.exceptions import SlugTakenError
from apps.chat.models import Announcement, Change, Invitation, Membership, Message, Room
from apps.chat.selectors import RoomSelector, oversees
from apps.chat.services.closures import keep_accounts_open, require_open_account
from apps.chat.services.members import MemberService, admit
from apps.chat.services.reading import record_reading
from apps.chat.services.speech import require_fit, require_voice
from apps.chat.services.turns import Turn, record, room_entry, take_turn
from apps.chat.types import Seat, group_of
from apps.common.exceptions import ForbiddenError
from apps.common.types import Actor
from apps.users.enums import AuditAction
from apps.users.services import AuditService
from infrastructure import realtime
from infrastructure.queue import outbox

if TYPE_CHECKING:
    from django.db.models import QuerySet

PURGE_BATCH: Final = 1_000


class RoomService:
    @staticmethod
    def create(*, actor: Actor, slug: str, name: str, visibility: Visibility) -> Room:
        """Open a room that the actor owns.

        Raises:
            SlugTakenError: If a room has the slug, or had it.
            ClosedAccountError: If the actor's account was closed meanwhile.
        """
        try:
            with transaction.atomic():
                keep_accounts_open()
                require_open_account(actor.id)
                room = Room.objects.create(slug=slug, name=name, visibility=visibility)
                admit(room, actor.id, role=RoomRole.OWNER)
        except IntegrityError as error:
            if Room.objects.filter(slug=slug).exists():
                raise SlugTakenError from error
            raise
        return RoomSelector.by_slug(actor=actor, slug=slug)

    @staticmethod
    def update(*, actor: Actor, slug: str, changes: Mapping[str, Any]) -> Room:
        """Change a room.

        Args:
            changes: Of `name`, `visibility` and `closed` those that shall change.

        Raises:
            NotFoundError: If the actor sees no such room.
            ForbiddenError: If he does not own it; whoever oversees all rooms may close it and open it again.
        """
        with transaction.atomic():
            turn = take_turn(actor, slug)
            is_owner = turn.role == RoomRole.OWNER
            if not (is_owner or (oversees(actor) and set(changes) <= {"closed"})):
                raise ForbiddenError
            if _apply(turn.room, changes):
                turn.room.save(update_fields=["name", "visibility", "closed_at", "updated_at"])
                record(turn.room, room_entry(turn.room))
                if not is_owner:
                    _audit_closing(turn)
        return RoomSelector.by_slug(actor=actor, slug=slug)

    @staticmethod
    def delete(*, actor: Actor, slug: str) -> None:
        """Delete a room: nobody sees it any more, and what was said in it goes for good. Its slug stays taken.

        Raises:
            NotFoundError: If the actor sees no such room.
            ForbiddenError: If he does not own it.
        """
        with transaction.atomic():
            turn = take_turn(actor, slug)
            turn.require_role(RoomRole.OWNER)
            turn.room.name, turn.room.deleted_at = "", timezone.now()
            turn.room.save(update_fields=["name", "deleted_at", "updated_at"])
            _purge_later(turn.room.pk)
            realtime.push(group_of(turn.room.pk), {"type": "room.deleted"})

    @staticmethod
    def enter(*, actor: Actor, slug: str) -> Seat:
        """Return the actor's place in a room, of which he becomes a member if it is public.

        Whoever oversees all rooms may read one that he is not in, which is written down.

        Raises:
            NotFoundError: If he sees no such room.
            BannedError: If he is banned from it.
        """
        seat = RoomSelector.seat(actor=actor, slug=slug)
        if seat.role is not None:
            return seat
        if seat.is_overseen:
            record_reading(actor, seat.room_id)
            return seat
        MemberService.join(actor=actor, slug=slug)
        return RoomSelector.seat(actor=actor, slug=slug)

    @staticmethod
    def announce(*, actor: Actor, slug: str, text: str) -> None:
        """Let the room itself say something, by a task.

        Raises:
            NotFoundError: If the actor sees no such room.
            ForbiddenError: If he does not moderate it.
            RoomClosedError: If it is closed.
            MutedError: If he is muted in it.
            InvalidInputError: If the text is too long, or blank, or cannot be stored.
        """
        with transaction.atomic():
            turn = take_turn(actor, slug)
            turn.require_role(RoomRole.MODERATOR)
            require_fit(text)
            require_voice(closed_at=turn.room.closed_at, muted_until=turn.require_member().muted_until)
            announcement = Announcement.objects.create(room=turn.room, author_id=actor.id, text=text)
            outbox.enqueue(
                "chat.publish_announcement",
                {"announcement_id": str(announcement.pk)},
                order_key=f"chat.room.{turn.room.pk}",
            )

    @staticmethod
    def purge(*, room_id: UUID) -> int:
        """Delete a batch of what was in a deleted room, leave the next to a job, and return how many rows went."""
        with transaction.atomic():
            for rows in _contents(room_id):
                keys = list(rows.values_list("pk", flat=True)[:PURGE_BATCH])
                if keys:
                    _purge_later(room_id)
                    return rows.filter(pk__in=keys).delete()[0]
        return 0


def _purge_later(room_id: UUID) -> None:
    outbox.enqueue("chat.clean_deleted_room", {"room_id": str(room_id)})


def _contents(room_id: UUID) -> "list[QuerySet[Any]]":
    """Return what belongs to a deleted room, in the order in which it can go."""
    models: tuple[Any, ...] = (Change, Message, Announcement, Invitation, Membership)
    return [model.objects.filter(room_id=room_id, room__deleted_at__isnull=False) for model in models]


def _apply(room: Room, changes: Mapping[str, Any]) -> bool:
    """Change a room that is held, and tell whether it is another than before."""
    before = (room.name, room.visibility, room.closed_at)
    room.name = changes.get("name", room.name)
    room.visibility = changes.get("visibility", room.visibility)
    if "closed" in changes:
        room.closed_at = (room.closed_at or timezone.now()) if changes["closed"] else None
    return (room.name, room.visibility, room.closed_at) != before


def _audit_closing(turn: Turn) -> None:
    AuditService.record(
        action=AuditAction.ROOM_CLOSED if turn.room.closed_at else AuditAction.ROOM_REOPENED,
        account_id=None,
        actor_id=turn.actor.id,
        room_id=str(turn.room.pk),
    )
