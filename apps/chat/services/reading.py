from typing import TYPE_CHECKING
from uuid import UUID

from apps.chat.enums import RoomRole
from apps.chat.selectors import MemberSelector, MessageSelector, RoomSelector
from apps.chat.types import Access, Page
from apps.common.types import Actor
from apps.users.enums import AuditAction
from apps.users.services import AuditService

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from apps.chat.models import Membership


class ReadingService:
    """Reads what is in a room, and writes down whoever does so for his role over all rooms alone."""

    @staticmethod
    def messages(
        *, actor: Actor, access: Access, before: int | None = None, after: int | None = None, limit: int
    ) -> Page:
        """Return messages of a room that the actor sees, as `MessageSelector.page` does.

        Args:
            access: What `RoomSelector.access` has said of him.
        """
        if access.is_overseen:
            record_reading(actor, access.room_id)
        return MessageSelector.page_of(room_id=access.room_id, before=before, after=after, limit=limit)

    @staticmethod
    def members_listing(*, actor: Actor, slug: str) -> "QuerySet[Membership]":
        """Return the members of a room that the actor sees, for a filter and the paginator.

        Raises:
            NotFoundError: If there is no such room.
            BannedError: If the actor is banned from it.
        """
        access = RoomSelector.access(actor=actor, slug=slug)
        if access.is_overseen:
            record_reading(actor, access.room_id)
        return MemberSelector.listing(room_id=access.room_id)

    @staticmethod
    def banned_listing(*, actor: Actor, slug: str) -> "QuerySet[Membership]":
        """Return who is banned from a room that the actor moderates, for the paginator.

        Raises:
            NotFoundError: If he sees no such room.
            ForbiddenError: If he does not moderate it.
        """
        access = RoomSelector.access(actor=actor, slug=slug, least=RoomRole.MODERATOR)
        return MemberSelector.banned_listing(room_id=access.room_id)

    @staticmethod
    def look(*, actor: Actor, room_id: UUID) -> None:
        """Let pass whoever sees a room, to read it elsewhere.

        Raises:
            NotFoundError: If there is no such room.
            BannedError: If the actor is banned from it.
        """
        access = RoomSelector.access(actor=actor, slug=RoomSelector.slug_of(room_id=room_id))
        if access.is_overseen:
            record_reading(actor, room_id)


def record_reading(actor: Actor, room_id: UUID) -> None:
    """Write down that somebody reads a room that he sees for his role over all rooms alone."""
    AuditService.record(action=AuditAction.ROOM_READ, account_id=None, actor_id=actor.id, room_id=str(room_id))
