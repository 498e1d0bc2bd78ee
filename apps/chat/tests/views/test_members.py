from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import pytest
from django.utils import timezone

from apps.chat.models import Invitation, Membership
from apps.chat.services import MemberService
from apps.chat.tests.support import open_room, place
from apps.common.enums import Role
from apps.common.tests.api import SignIn, problem, wrong_fields
from apps.users.tests.factories import UserFactory

pytestmark = pytest.mark.django_db

MEMBERS: Final = "/api/v1/chat/rooms/lamps/members/"


def test_a_list_shows_of_a_member_what_others_see(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    bob = UserFactory.create(name="Bob", avatar="avatars/bob.webp")
    room = open_room(client.user, private=True, members=[bob])
    until = timezone.now() + timedelta(hours=1)
    MemberService.mute(actor=client.user, slug=room.slug, user_id=bob.pk, until=until)

    body = client.get(MEMBERS).json()

    assert body["count"] == 2
    assert body["results"][1] == {
        "user": {"id": str(bob.pk), "name": "Bob", "avatar": f"/api/v1/users/{bob.pk}/avatar/"},
        "role": "member",
        "muted_until": until.isoformat().replace("+00:00", "Z"),
    }
    assert bob.email not in str(body)


def test_the_members_of_a_public_room_are_shown_to_everyone_signed_in(auth_api: SignIn) -> None:
    open_room(UserFactory.create())

    assert auth_api(Role.USER).get(MEMBERS).json()["count"] == 1


@pytest.mark.parametrize("who", ["nobody", "somebody", "member", "oneself"])
def test_an_invitation_is_answered_the_same_whoever_has_the_address(auth_api: SignIn, who: str) -> None:
    client = auth_api(Role.USER)
    somebody, member = UserFactory.create_batch(2)
    open_room(client.user, private=True, members=[member])
    addresses = {
        "nobody": "nobody@example.com",
        "somebody": somebody.email,
        "member": member.email,
        "oneself": client.user.email,
    }

    response = client.post(MEMBERS, {"email": addresses[who]})

    assert (response.status_code, response.json()) == (202, {})
    assert Invitation.objects.count() == 1


@pytest.mark.parametrize("email", ["", "nobody", "a@b", "a@b.c\nd", 5, None, "x" * 250 + "@example.com"])
def test_what_is_no_address_invites_nobody(auth_api: SignIn, email: object) -> None:
    client = auth_api(Role.USER)
    open_room(client.user)

    assert list(wrong_fields(client.post(MEMBERS, {"email": email}))) == ["email"]
    assert not Invitation.objects.exists()


def test_a_role_is_changed_and_what_was_shown_may_come_back(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    bob = UserFactory.create()
    open_room(client.user, members=[bob])
    shown = client.get(MEMBERS).json()["results"][1]

    response = client.patch(f"{MEMBERS}{bob.pk}/", shown | {"role": "moderator"})

    assert (response.status_code, response.json()) == (200, shown | {"role": "moderator"})
    assert client.patch(f"{MEMBERS}{bob.pk}/", {}).json() == shown | {"role": "moderator"}
    assert wrong_fields(client.patch(f"{MEMBERS}{bob.pk}/", shown | {"muted_until": "2026-01-01T00:00:00Z"})) == {
        "muted_until": "read_only"
    }


@pytest.mark.parametrize("role", ["king", "admin", "", None, 5, [], {}])
def test_what_is_no_role_changes_nothing(auth_api: SignIn, role: object) -> None:
    client = auth_api(Role.USER)
    bob = UserFactory.create()
    room = open_room(client.user, members=[bob])
    before = place(room, bob)

    assert list(wrong_fields(client.patch(f"{MEMBERS}{bob.pk}/", {"role": role}))) == ["role"]
    assert place(room, bob) == before


def test_the_sole_owner_who_steps_down_is_a_conflict(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    open_room(client.user)

    assert problem(client.patch(f"{MEMBERS}{client.user.pk}/", {"role": "member"})) == (409, "conflict")
    assert problem(client.delete(f"{MEMBERS}{client.user.pk}/")) == (409, "conflict")


def test_a_member_is_muted_and_may_speak_again(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    bob = UserFactory.create()
    open_room(client.user, members=[bob])
    until = timezone.now().replace(microsecond=0) + timedelta(hours=1)

    assert client.post(f"{MEMBERS}{bob.pk}/mute/", {"until": until.isoformat()}).status_code == 204
    assert Membership.objects.get(user_id=bob.pk).muted_until == until
    assert client.post(f"{MEMBERS}{bob.pk}/mute/", {"until": None}).status_code == 204
    assert Membership.objects.get(user_id=bob.pk).muted_until is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "required"),
        ({"until": "2020-01-01T00:00:00Z"}, "past"),
        ({"until": "tomorrow"}, "invalid"),
        ({"until": 5}, "invalid"),
        ({"until": True}, "invalid"),
        ({"until": []}, "invalid"),
        ({"until": "9999-12-31T23:59:59-23:59"}, "overflow"),
        ({"until": "0001-01-01T00:00:00+23:59"}, "overflow"),
    ],
)
def test_what_is_no_time_to_come_mutes_nobody(auth_api: SignIn, body: dict[str, Any], code: str) -> None:
    client = auth_api(Role.USER)
    bob = UserFactory.create()
    room = open_room(client.user, members=[bob])
    before = place(room, bob)

    assert wrong_fields(client.post(f"{MEMBERS}{bob.pk}/mute/", body)) == {"until": code}
    assert place(room, bob) == before


def test_a_member_is_banned_listed_among_the_banned_and_let_back(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    bob = UserFactory.create(name="Bob")
    open_room(client.user, members=[bob])

    for _ in range(2):
        assert client.post(f"{MEMBERS}{bob.pk}/ban/").status_code == 204
    banned = client.get("/api/v1/chat/rooms/lamps/bans/").json()
    assert [one["user"]["name"] for one in banned["results"]] == ["Bob"]
    assert client.get(MEMBERS).json()["count"] == 1

    for _ in range(2):
        assert client.delete(f"{MEMBERS}{bob.pk}/ban/").status_code == 204
    assert client.get("/api/v1/chat/rooms/lamps/bans/").json()["count"] == 0


def test_whoever_was_never_there_is_not_found(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    open_room(client.user)
    nobody = f"{MEMBERS}{uuid4()}/"

    for response in (
        client.patch(nobody, {"role": "member"}),
        client.patch(nobody, {"role": "nonsense"}),
        client.delete(nobody),
        client.post(f"{nobody}mute/", {"until": None}),
        client.post(f"{nobody}ban/"),
        client.delete(f"{nobody}ban/"),
    ):
        assert problem(response) == (404, "not_found")


def test_a_member_is_removed(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    bob = UserFactory.create()
    open_room(client.user, members=[bob])

    assert client.delete(f"{MEMBERS}{bob.pk}/").status_code == 204
    assert problem(client.delete(f"{MEMBERS}{bob.pk}/")) == (404, "not_found")
    assert client.get(MEMBERS).json()["count"] == 1
