"""What the tests of this slice share: rooms with people in them, and what happened there."""

from collections.abc import Callable, Iterable
from typing import Any

from apps.chat.enums import RoomRole, Visibility
from apps.chat.models import Change, Membership, Message, Room
from apps.chat.selectors import ChangeSelector
from apps.chat.services import MessageService
from apps.chat.tests.factories import MembershipFactory, RoomFactory
from apps.chat.types import Frame, Sent
from apps.common.exceptions import AppException
from apps.common.types import Actor


def open_room(
    owner: Actor,
    slug: str = "lamps",
    *,
    private: bool = False,
    moderators: Iterable[Actor] = (),
    members: Iterable[Actor] = (),
) -> Room:
    """Return a room that these people are in, as the services make one."""
    visibility = Visibility.PRIVATE if private else Visibility.PUBLIC
    room = RoomFactory.create(owner=owner, slug=slug, visibility=visibility)
    for role, people in ((RoomRole.MODERATOR, moderators), (RoomRole.MEMBER, members)):
        for user in people:
            MembershipFactory.create(room=room, user=user, role=role)
    room.refresh_from_db()
    return room


def say(actor: Actor, slug: str = "lamps", text: str = "Hello", client_id: str = "") -> Sent:
    return MessageService.send(actor=actor, slug=slug, text=text, client_id=client_id)


def seqs_of(room: Room) -> list[int]:
    """Return the numbers of all that happened in a room, in order; each should be there once and without a gap."""
    models: list[Any] = [Message, Change]
    return sorted(seq for model in models for seq in model.objects.filter(room=room).values_list("seq", flat=True))


def is_whole(room: Room) -> bool:
    """Tell whether messages and changes of a room have the numbers from 1 to its last, each once."""
    last_seq = Room.objects.values_list("last_seq", flat=True).get(pk=room.pk)
    return seqs_of(room) == list(range(1, last_seq + 1))


def history(room: Room) -> list[Frame]:
    """Return the frames of all that happened in a room."""
    return ChangeSelector.after(room_id=room.pk, seq=0, limit=100_000)


def place(room: Room, user: Actor) -> dict[str, Any]:
    """Return every column of somebody's place in a room, to be compared before and after."""
    return dict(Membership.objects.values().get(room=room, user_id=user.id))


def row(room: Room) -> dict[str, Any]:
    """Return every column of a room, to be compared before and after."""
    return dict(Room.objects.values().get(pk=room.pk))


def tried(call: Callable[[], object]) -> str:
    """Return the code of the domain error that a call raises, or `done`."""
    try:
        call()
    except AppException as error:
        return error.code
    return "done"


def member_frames(room: Room) -> list[tuple[str, str, str]]:
    """Return what happened to the members of a room: who, what, and the role since."""
    frames = [frame for frame in history(room) if frame["type"] == "member"]
    return [(frame["user"]["id"], frame["change"], frame["role"]) for frame in frames]
