"""What becomes of somebody's rooms when the account is closed or erased, in the transaction that does so."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import Case, Value, When
from django.dispatch import receiver
from django.utils import timezone

from apps.chat.enums import MemberChange, RoomRole
from apps.chat.models import Change, Invitation, Membership, Room
from apps.chat.services.closures import hold_closures
from apps.chat.services.turns import Entry, member_entry, room_entry, tell
from apps.users.types import account_closed


@receiver(account_closed, dispatch_uid="chat.give_rooms_up")
def give_rooms_up(*, user_id: UUID, erased: bool, **_: Any) -> None:
    """Let the oldest moderator, else the oldest member, inherit each room whose last owner this is, else close it.

    It is the same few statements for one room and for many.

    Args:
        erased: Whether nothing shall be left of the user in any room; otherwise he stays, and owns none that has heirs.
    """
    hold_closures()
    rooms = _hold_rooms(user_id, erased=erased)
    places = _places(user_id, rooms)
    heirs = _heirs(user_id, [place.room_id for place in places if place.role == RoomRole.OWNER])
    entries: list[Entry] = []
    for place in places:
        entries += _give_up(rooms[place.room_id], place, heirs.get(place.room_id), erased=erased)
    Membership.objects.bulk_update([*places, *heirs.values()], ["role", "left_at"])
    Room.objects.bulk_update(rooms.values(), ["last_seq", "closed_at"])
    Change.objects.bulk_create(entry.change for entry in entries)
    tell(entries)
    if erased:
        Invitation.objects.filter(invitee_id=user_id).delete()


def _hold_rooms(user_id: UUID, *, erased: bool) -> dict[UUID, Room]:
    """Hold the rooms in question, in the order of their keys, so that two never wait for each other."""
    places = Membership.objects.standing().filter(user_id=user_id)
    if not erased:
        places = places.filter(role=RoomRole.OWNER)
    rooms = Room.objects.living().filter(pk__in=places.values("room_id"))
    return {room.pk: room for room in rooms.order_by("pk").select_for_update(no_key=True)}


def _places(user_id: UUID, rooms: Iterable[UUID]) -> list[Membership]:
    """Return the user's places in rooms that are held."""
    return list(Membership.objects.standing().named().filter(user_id=user_id, room__in=rooms))


def _heirs(user_id: UUID, rooms: Iterable[UUID]) -> dict[UUID, Membership]:
    """Return whoever is next in each room: another owner, else the oldest moderator, else the oldest member."""
    order = Case(
        *(When(role=role, then=Value(-role.rank)) for role in RoomRole),
    )
    others = Membership.objects.standing().named().filter(room__in=rooms, user__is_active=True)
    next_ones = others.exclude(user_id=user_id).order_by("room_id", order, "joined_at", "id").distinct("room_id")
    return {place.room_id: place for place in next_ones}


def _give_up(room: Room, place: Membership, heir: Membership | None, *, erased: bool) -> list[Entry]:
    """Change a room and the places in it, and return what there is to tell of it."""
    entries = []
    if place.role == RoomRole.OWNER:
        if heir is None:
            entries += _close(room)
        elif heir.role != RoomRole.OWNER:
            heir.role = RoomRole.OWNER
            entries.append(member_entry(room, heir, MemberChange.ROLE))
    if erased:
        place.role, place.left_at = RoomRole.MEMBER, timezone.now()
        entries.append(member_entry(room, place, MemberChange.LEFT))
    elif heir is not None:
        place.role = RoomRole.MEMBER
        entries.append(member_entry(room, place, MemberChange.ROLE))
    return entries


def _close(room: Room) -> list[Entry]:
    if room.closed_at is not None:
        return []
    room.closed_at = timezone.now()
    return [room_entry(room)]
