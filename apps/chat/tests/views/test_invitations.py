from typing import Final
from uuid import uuid4

import pytest

from apps.chat.models import Invitation
from apps.chat.services import InvitationService
from apps.chat.tests.support import open_room
from apps.common.enums import Role
from apps.common.tests.api import SignIn, problem
from apps.users.tests.factories import UserFactory

pytestmark = pytest.mark.django_db

INVITATIONS: Final = "/api/v1/chat/invitations/"


def test_whoever_is_invited_finds_it_and_is_let_in(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    ada = UserFactory.create(name="Ada")
    room = open_room(ada, private=True)
    InvitationService.invite(actor=ada, slug=room.slug, email=client.user.email)
    invitation = Invitation.objects.get()

    assert client.get(INVITATIONS).json()["results"] == [
        {
            "id": str(invitation.pk),
            "room": {"slug": "lamps", "name": "Lamps", "visibility": "private"},
            "inviter": {"id": str(ada.pk), "name": "Ada", "avatar": None},
            "created_at": invitation.created_at.isoformat().replace("+00:00", "Z"),
        }
    ]
    for _ in range(2):
        accepted = client.post(f"{INVITATIONS}{invitation.pk}/accept/")
        assert (accepted.status_code, accepted.json()["my_role"]) == (200, "member")
    assert client.get(INVITATIONS).json()["count"] == 0
    assert problem(client.post(f"{INVITATIONS}{invitation.pk}/decline/")) == (409, "conflict")
    assert client.get("/api/v1/chat/rooms/lamps/messages/").status_code == 200


def test_whoever_declines_stays_out(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    ada = UserFactory.create()
    room = open_room(ada, private=True)
    InvitationService.invite(actor=ada, slug=room.slug, email=client.user.email)
    invitation = Invitation.objects.get()

    for _ in range(2):
        assert client.post(f"{INVITATIONS}{invitation.pk}/decline/").status_code == 204
    assert problem(client.post(f"{INVITATIONS}{invitation.pk}/accept/")) == (409, "conflict")
    assert problem(client.get("/api/v1/chat/rooms/lamps/")) == (404, "not_found")


def test_nobody_sees_or_answers_anothers(auth_api: SignIn) -> None:
    client = auth_api(Role.ADMIN)
    ada, bob = UserFactory.create_batch(2)
    room = open_room(ada, private=True)
    InvitationService.invite(actor=ada, slug=room.slug, email=bob.email)

    assert client.get(INVITATIONS).json()["results"] == []
    for invitation_id in (Invitation.objects.get().pk, uuid4()):
        for answer in ("accept", "decline"):
            assert problem(client.post(f"{INVITATIONS}{invitation_id}/{answer}/")) == (404, "not_found")
