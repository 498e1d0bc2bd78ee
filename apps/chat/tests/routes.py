from typing import Any, Final
from uuid import uuid4

from apps.chat.enums import RoomRole
from apps.chat.models import Invitation, Room
from apps.chat.services import InvitationService, MemberService
from apps.chat.tests.support import open_room, say
from apps.common.tests.access import Route, Table, signed_in
from apps.common.types import Actor
from apps.users.tests.factories import UserFactory


def _room(**statuses: tuple[int, int, int]) -> Table:
    """Return the table of a private room: of a stranger, its owner, and whoever oversees all rooms."""
    stranger, owner, overseer = ({method: three[place] for method, three in statuses.items()} for place in range(3))
    nobody = dict.fromkeys(statuses, 401)
    return {"anonymous": nobody, "user": stranger, "owner": owner, "moderator": overseer, "admin": overseer}


def _open(owner: Actor, *members: Actor) -> Room:
    """Return a private room under a slug of its own, for the table is gone through without an end in between."""
    return open_room(owner, f"room-{uuid4()}", private=True, members=members)


def _private(owner: Actor) -> dict[str, Any]:
    return {"slug": _open(owner).slug}


def _with_another_owner(owner: Actor) -> dict[str, Any]:
    other = UserFactory.create()
    room = _open(owner, other)
    MemberService.set_role(actor=owner, slug=room.slug, user_id=other.pk, role=RoomRole.OWNER)
    return {"slug": room.slug}


def _member(owner: Actor) -> dict[str, Any]:
    member = UserFactory.create()
    return {"slug": _open(owner, member).slug, "user_id": member.pk}


def _message(owner: Actor) -> dict[str, Any]:
    room = _open(owner)
    return {"slug": room.slug, "message_id": say(owner, room.slug).id}


def _invitation(owner: Actor) -> dict[str, Any]:
    host = UserFactory.create()
    room = _open(host)
    InvitationService.invite(actor=host, slug=room.slug, email=vars(owner)["email"])
    return {"invitation_id": Invitation.objects.get(room=room).pk}


def _of_invitee(status: int) -> Table:
    return signed_in(POST=404) | {"owner": {"POST": status}}


_ROOM: Final = "api/v1/chat/rooms/<room:slug>/"

ROUTES: Final = {
    "api/v1/chat/rooms/": Route(
        signed_in(GET=200, HEAD=200, POST=201), body=lambda _: {"slug": f"tea-{uuid4()}", "name": "Tea"}
    ),
    _ROOM: Route(
        _room(GET=(404, 200, 200), HEAD=(404, 200, 200), PATCH=(404, 200, 200), DELETE=(404, 204, 403)),
        address=_private,
        body=lambda _: {"closed": True},
    ),
    f"{_ROOM}join/": Route(_room(POST=(404, 200, 403)), address=_private),
    f"{_ROOM}leave/": Route(_room(POST=(404, 204, 204)), address=_with_another_owner),
    f"{_ROOM}read/": Route(_room(POST=(404, 204, 403)), address=_private, body=lambda _: {"seq": 1}),
    f"{_ROOM}announce/": Route(_room(POST=(404, 202, 403)), address=_private, body=lambda _: {"message": "Hello"}),
    f"{_ROOM}members/": Route(
        _room(GET=(404, 200, 200), HEAD=(404, 200, 200), POST=(404, 202, 403)),
        address=_private,
        body=lambda _: {"email": "bob@example.com"},
    ),
    f"{_ROOM}members/<uuid:user_id>/": Route(
        _room(PATCH=(404, 200, 403), DELETE=(404, 204, 403)), address=_member, body=lambda _: {"role": "moderator"}
    ),
    f"{_ROOM}members/<uuid:user_id>/mute/": Route(
        _room(POST=(404, 204, 204)), address=_member, body=lambda _: {"until": None}
    ),
    f"{_ROOM}members/<uuid:user_id>/ban/": Route(_room(POST=(404, 204, 403), DELETE=(404, 204, 403)), address=_member),
    f"{_ROOM}bans/": Route(_room(GET=(404, 200, 403), HEAD=(404, 200, 403)), address=_private),
    f"{_ROOM}messages/": Route(
        _room(GET=(404, 200, 200), HEAD=(404, 200, 200), POST=(404, 201, 403)),
        address=_private,
        body=lambda _: {"message": "Hello"},
    ),
    f"{_ROOM}messages/<uuid:message_id>/": Route(
        _room(PATCH=(404, 200, 403), DELETE=(404, 204, 204)), address=_message, body=lambda _: {"message": "Good night"}
    ),
    "api/v1/chat/invitations/": Route(signed_in(GET=200, HEAD=200)),
    "api/v1/chat/invitations/<uuid:invitation_id>/accept/": Route(_of_invitee(200), address=_invitation),
    "api/v1/chat/invitations/<uuid:invitation_id>/decline/": Route(_of_invitee(204), address=_invitation),
}
