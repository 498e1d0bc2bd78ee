"""What happens in a room happens one after the other: whoever changes something holds the room, and takes a number."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.chat.enums import ChangeKind, MemberChange, RoomRole
from apps.chat.exceptions import NotMemberError, SoleOwnerError
from apps.chat.models import Change, Membership, Message, Room
from apps.chat.selectors import require_visible
from apps.chat.types import Changed, Frame, Person, group_of, moment
from apps.common.exceptions import ForbiddenError, NotFoundError
from apps.common.types import Actor
from infrastructure import realtime


@dataclass(frozen=True, slots=True)
class Turn:
    """A room that is held until the transaction ends, and the place in it of whoever acts.

    Args:
        mine: Also of whoever has left or is banned; None of whoever was never there.
    """

    room: Room
    actor: Actor
    mine: Membership | None

    @property
    def role(self) -> RoomRole | None:
        """The actor's role in the room, if he is in it."""
        return RoomRole(self.mine.role) if self.mine and self.mine.is_standing else None

    def require_member(self) -> Membership:
        """Return the actor's place in the room.

        Raises:
            NotMemberError: If he is not in it.
        """
        if self.mine is None or not self.mine.is_standing:
            raise NotMemberError
        return self.mine

    def require_role(self, role: RoomRole) -> None:
        """Let pass whoever has this role in the room, or a higher one.

        Raises:
            ForbiddenError: If the actor has not.
        """
        if self.role is None or self.role.rank < role.rank:
            raise ForbiddenError

    @property
    def moderates(self) -> bool:
        """Whether the actor moderates the room for his place in it."""
        return self.role is not None and self.role.rank >= RoomRole.MODERATOR.rank

    def has_power_over(self, member: Membership) -> bool:
        """Tell whether the actor moderates the room and stands above somebody."""
        return self.moderates and self.role is not None and self.role.rank > member.rank

    def require_power_over(self, member: Membership) -> None:
        """Let pass whoever moderates the room and stands above somebody.

        Raises:
            ForbiddenError: If the actor does not.
        """
        if not self.has_power_over(member):
            raise ForbiddenError

    def require_another_owner(self, member: Membership) -> None:
        """Let pass unless the room would be left without an owner.

        Raises:
            SoleOwnerError: If it would.
        """
        owners = Membership.objects.filter(room=self.room, role=RoomRole.OWNER)
        if member.role == RoomRole.OWNER and not owners.exclude(pk=member.pk).exists():
            raise SoleOwnerError

    def place_of(self, user_id: UUID) -> Membership:
        """Return somebody's place in the room, also if he has left it or is banned.

        Raises:
            NotFoundError: If he was never there.
        """
        place = Membership.objects.named().filter(room=self.room, user_id=user_id).first()
        if place is None:
            raise NotFoundError
        return place


def take_turn(actor: Actor, slug: str) -> Turn:
    """Hold a room that the actor sees; only then read who is in it, so that what came before counts.

    Raises:
        NotFoundError: If there is none.
        BannedError: If he is banned from it.
    """
    room = hold_room(slug=slug)
    mine = Membership.objects.named().filter(room=room, user_id=actor.id).first()
    turn = Turn(room, actor, mine)
    is_banned = mine is not None and mine.banned_at is not None
    require_visible(actor, visibility=room.visibility, role=turn.role, is_banned=is_banned)
    return turn


def hold_room(**key: Any) -> Room:
    """Hold a room until the transaction ends.

    Raises:
        NotFoundError: If there is none.
    """
    # The key stays as it is: whoever refers to the room need not wait.
    room = Room.objects.living().select_for_update(no_key=True).filter(**key).first()
    if room is None:
        raise NotFoundError
    return room


@dataclass(frozen=True, slots=True)
class Entry:
    """A change of a room that has its number, and what its sockets are to be told."""

    change: Change
    frame: Frame


def entry(
    room: Room, kind: ChangeKind, *, user: Person | None = None, message: Message | None = None, **details: Any
) -> Entry:
    """Give a change the next number of a room that is held; neither is stored yet.

    Args:
        user: Who edited or deleted the message, or whose place in the room changed.
        details: What else its frame holds.
    """
    room.last_seq += 1
    change = Change(
        room=room, seq=room.last_seq, kind=kind, user_id=user.id if user else None, message=message, details=details
    )
    changed = Changed(
        kind=kind,
        seq=change.seq,
        user=user,
        details=details,
        at=change.created_at,
        message_id=message.pk if message else None,
        text=message.text if message else "",
    )
    return Entry(change, changed.frame())


def member_entry(room: Room, member: Membership, change: MemberChange) -> Entry:
    """Return the entry of what happened to somebody's place in a room.

    Args:
        member: A membership that was read with `named`.
    """
    return entry(
        room,
        ChangeKind.MEMBER,
        user=member.person,
        change=change,
        role=member.role,
        muted_until=moment(member.muted_until) if member.muted_until else None,
    )


def room_entry(room: Room) -> Entry:
    """Return the entry of what a room is like now."""
    closed_at = moment(room.closed_at) if room.closed_at else None
    return entry(room, ChangeKind.ROOM, name=room.name, visibility=room.visibility, closed_at=closed_at)


def record(room: Room, made: Entry) -> None:
    """Store an entry of a room that is held, and tell the room's sockets once it is committed."""
    room.save(update_fields=["last_seq", "updated_at"])
    made.change.save(force_insert=True)
    tell([made])


def tell(entries: Iterable[Entry]) -> None:
    """Tell sockets what happened in their rooms, once it is committed."""
    for made in entries:
        realtime.push(group_of(made.change.room_id), made.frame)
