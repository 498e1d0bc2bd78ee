from typing import Any, Final

import pytest
from rest_framework.test import APIClient

from apps.chat.enums import Visibility
from apps.chat.models import Announcement, Membership, Room
from apps.chat.services import MemberService, RoomService
from apps.chat.tests.support import history, open_room, row, say
from apps.common.enums import Role
from apps.common.tests.api import SignIn, problem, wrong_fields
from apps.users.tests.factories import UserFactory

pytestmark = pytest.mark.django_db

ROOMS: Final = "/api/v1/chat/rooms/"
LAMPS: Final = f"{ROOMS}lamps/"
# Each way to ask for something of a room, with a good body.
WAYS: Final[list[tuple[str, str, dict[str, Any] | None]]] = [
    ("get", "", None),
    ("patch", "", {"name": "Mine"}),
    ("delete", "", None),
    ("post", "join/", None),
    ("post", "leave/", None),
    ("post", "read/", {"seq": 1}),
    ("post", "announce/", {"message": "Hello"}),
    ("get", "members/", None),
    ("post", "members/", {"email": "bob@example.com"}),
    ("patch", "members/0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a10/", {"role": "owner"}),
    ("delete", "members/0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a10/", None),
    ("post", "members/0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a10/mute/", {"until": None}),
    ("post", "members/0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a10/ban/", None),
    ("delete", "members/0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a10/ban/", None),
    ("get", "bans/", None),
    ("get", "messages/", None),
    ("post", "messages/", {"message": "Hello"}),
    ("patch", "messages/0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a10/", {"message": "Hello"}),
    ("delete", "messages/0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a10/", None),
]


def _ask(client: APIClient, verb: str, path: str, body: dict[str, Any] | None) -> Any:
    return getattr(client, verb)(path, body)


def test_a_room_is_opened_by_whoever_owns_it_then(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)

    response = client.post(ROOMS, {"slug": "lamps", "name": " Lamps ", "visibility": "private"})

    room = Room.objects.get()
    assert response.status_code == 201
    assert response.headers["Location"] == LAMPS
    shown = {
        "slug": "lamps",
        "name": "Lamps",
        "visibility": "private",
        "last_seq": 1,
        "closed_at": None,
        "my_role": "owner",
        "unread": 0,
        "created_at": room.created_at.isoformat().replace("+00:00", "Z"),
    }
    assert response.json() == shown
    assert client.get(LAMPS).json() == shown


def test_a_room_is_public_unless_it_is_said(auth_api: SignIn) -> None:
    assert auth_api(Role.USER).post(ROOMS, {"slug": "lamps", "name": "Lamps"}).json()["visibility"] == "public"


@pytest.mark.parametrize("private", [True, False])
def test_a_taken_slug_is_a_conflict_whoever_has_it(auth_api: SignIn, *, private: bool) -> None:
    open_room(UserFactory.create(), private=private)

    response = auth_api(Role.USER).post(ROOMS, {"slug": "lamps", "name": "Mine"})

    assert problem(response) == (409, "conflict")
    assert Room.objects.count() == 1


def test_a_room_is_opened_once_under_an_idempotency_key(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    body = {"slug": "lamps", "name": "Lamps"}

    first, again = (client.post(ROOMS, body, headers={"Idempotency-Key": "one"}) for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (Room.objects.count(), Membership.objects.count()) == (1, 1)


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, {"slug": "required", "name": "required"}),
        ({"slug": "Lamps", "name": "Lamps"}, {"slug": "invalid"}),
        ({"slug": "lamps\n", "name": "Lamps"}, {"slug": "invalid"}),
        ({"slug": "", "name": ""}, {"slug": "blank", "name": "blank"}),
        ({"slug": "x" * 65, "name": "x" * 101}, {"slug": "invalid", "name": "max_length"}),
        ({"slug": 5, "name": True}, {"slug": "invalid", "name": "invalid"}),
        ({"slug": "lamps", "name": "a\nb"}, {"name": "invalid"}),
        ({"slug": "lamps", "name": "Lamps", "visibility": "secret"}, {"visibility": "invalid_choice"}),
        ({"slug": "lamps", "name": "Lamps", "visibility": []}, {"visibility": "invalid_choice"}),
        ({"slug": "lamps", "name": "Lamps", "last_seq": 9, "my_role": "owner"}, None),
    ],
)
def test_what_is_wrong_with_a_new_room_is_named(
    auth_api: SignIn, body: dict[str, Any], wrong: dict[str, str] | None
) -> None:
    response = auth_api(Role.USER).post(ROOMS, body)

    assert wrong_fields(response) == (wrong or {"last_seq": "unknown", "my_role": "unknown"})
    assert not Room.objects.exists()


def test_an_owner_changes_closes_and_deletes_it(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    room = open_room(client.user)
    shown = client.get(LAMPS).json()

    changed = client.patch(LAMPS, shown | {"name": "Tea", "closed": True})
    assert changed.status_code == 200
    assert (changed.json()["name"], changed.json()["closed_at"] is None) == ("Tea", False)

    assert client.delete(LAMPS).status_code == 204
    assert problem(client.get(LAMPS)) == (404, "not_found")
    room.refresh_from_db()
    assert room.deleted_at is not None


def test_what_cannot_change_is_named_and_nothing_changes(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    room = open_room(client.user)
    before = row(room)

    body = {"slug": "tea", "last_seq": 9, "closed": "yes", "visibility": None, "owner": 1, "my_role": "member"}
    assert wrong_fields(client.patch(LAMPS, body)) == {
        "slug": "read_only",
        "last_seq": "read_only",
        "my_role": "read_only",
        "closed": "invalid",
        "visibility": "null",
        "owner": "unknown",
    }
    assert row(room) == before


def test_whoever_joins_is_shown_the_room_and_whoever_leaves_nothing(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    open_room(UserFactory.create())

    for _ in range(2):
        joined = client.post(f"{LAMPS}join/")
        assert (joined.status_code, joined.json()["my_role"]) == (200, "member")
    for _ in range(2):
        left = client.post(f"{LAMPS}leave/")
        assert (left.status_code, left.content) == (204, b"")
    assert client.get(LAMPS).json()["my_role"] is None


def test_a_sole_owner_who_leaves_is_a_conflict(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    open_room(client.user)

    assert problem(client.post(f"{LAMPS}leave/")) == (409, "conflict")


def test_what_was_read_is_unread_no_more(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    ada = UserFactory.create()
    open_room(ada, members=[client.user])
    say(ada)
    seq = say(ada).seq

    assert client.get(LAMPS).json()["unread"] == 2
    assert client.post(f"{LAMPS}read/", {"seq": seq - 1}).status_code == 204
    assert client.get(LAMPS).json()["unread"] == 1


@pytest.mark.parametrize("seq", [-1, 2**63, "1", 1.5, True, None, []])
def test_a_number_that_is_none_reads_nothing(auth_api: SignIn, seq: object) -> None:
    client = auth_api(Role.USER)
    open_room(client.user)

    response = client.post(f"{LAMPS}read/", {"seq": seq})

    assert problem(response) in {(400, "validation_error"), (400, "parse_error")}
    assert Membership.objects.get().last_read_seq == 1


def test_a_moderator_lets_the_room_speak_and_it_is_asked_for_once_under_a_key(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    open_room(client.user)

    for _ in range(2):
        response = client.post(f"{LAMPS}announce/", {"message": "Soon"}, headers={"Idempotency-Key": "one"})
        assert (response.status_code, response.json()) == (202, {})

    assert list(Announcement.objects.values_list("text", flat=True)) == ["Soon"]


@pytest.mark.parametrize(("verb", "path", "body"), WAYS, ids=lambda value: str(value)[:20])
def test_to_a_stranger_a_private_room_and_none_at_all_look_the_same(
    auth_api: SignIn, verb: str, path: str, body: dict[str, Any] | None
) -> None:
    client = auth_api(Role.USER)
    room = open_room(UserFactory.create(), private=True)
    before = row(room)

    there, nowhere = (_ask(client, verb, f"{ROOMS}{slug}/{path}", body) for slug in ("lamps", "nowhere"))

    assert problem(there) == (404, "not_found")
    assert _without_id(there) == _without_id(nowhere)
    assert row(room) == before


@pytest.mark.parametrize(("verb", "path", "body"), WAYS, ids=lambda value: str(value)[:20])
@pytest.mark.parametrize("private", [True, False])
def test_whoever_is_banned_is_forbidden_all_of_it(
    auth_api: SignIn, verb: str, path: str, body: dict[str, Any] | None, *, private: bool
) -> None:
    client = auth_api(Role.USER)
    ada = UserFactory.create()
    room = open_room(ada, private=private, members=[client.user])
    MemberService.ban(actor=ada, slug=room.slug, user_id=client.user.pk)
    before = history(room)

    assert problem(_ask(client, verb, f"{LAMPS}{path}", body)) == (403, "forbidden")
    assert history(room) == before


@pytest.mark.parametrize(("verb", "path", "body"), [way for way in WAYS if way[2]], ids=lambda value: str(value)[:20])
def test_whether_the_room_is_there_comes_before_what_is_wrong_with_the_body(
    auth_api: SignIn, verb: str, path: str, body: dict[str, Any]
) -> None:
    client = auth_api(Role.USER)
    open_room(UserFactory.create(), private=True)

    assert problem(_ask(client, verb, f"{LAMPS}{path}", {"nonsense": 1})) == (404, "not_found")
    # And so does whether one may, for whoever sees it.
    RoomService.create(actor=UserFactory.create(), slug="tea", name="Tea", visibility=Visibility.PUBLIC)
    assert problem(_ask(client, verb, f"{ROOMS}tea/{path}", {"nonsense": 1})) == (403, "forbidden")


def _without_id(response: Any) -> dict[str, Any]:
    return {name: value for name, value in response.json().items() if name != "request_id"}


def test_a_list_has_what_a_room_on_the_wire_has(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    open_room(client.user, "mine", private=True)
    open_room(UserFactory.create(), "public")
    open_room(UserFactory.create(), "private", private=True)

    body = client.get(ROOMS).json()

    assert (body["count"], body["next"], body["previous"]) == (2, None, None)
    assert [(room["slug"], room["my_role"]) for room in body["results"]] == [("public", None), ("mine", "owner")]
    assert body["results"][1] == client.get(f"{ROOMS}mine/").json()
