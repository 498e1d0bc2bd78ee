from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import pytest
from django.utils import timezone

from apps.chat.models import Message
from apps.chat.services import MemberService, RoomService
from apps.chat.tests.support import is_whole, open_room, row, say
from apps.common.enums import Role
from apps.common.tests.api import SignIn, problem, wrong_fields
from apps.common.tests.races import at_once
from apps.users.enums import AuditAction
from apps.users.selectors import AuditSelector
from apps.users.tests.factories import UserFactory

pytestmark = pytest.mark.django_db

MESSAGES: Final = "/api/v1/chat/rooms/lamps/messages/"


def test_what_is_said_is_shown_as_readers_see_it(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    open_room(client.user, private=True)

    response = client.post(MESSAGES, {"message": " Good\n evening \U0001f600 ", "client_id": "a b"})

    stored = Message.objects.get()
    assert response.status_code == 201
    assert response.json() == {
        "id": str(stored.pk),
        "seq": 2,
        "message": " Good\n evening \U0001f600 ",
        "from": str(client.user.pk),
        "author": {"id": str(client.user.pk), "name": client.user.name, "avatar": None},
        "client_id": "a b",
        "sent_at": stored.created_at.isoformat().replace("+00:00", "Z"),
    }
    assert client.get(MESSAGES).json() == {"messages": [response.json()], "complete": True}


def test_sent_again_under_its_client_id_it_is_the_same_message_and_200(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    room = open_room(client.user)

    first = client.post(MESSAGES, {"message": "Hello", "client_id": "a"})
    again = client.post(MESSAGES, {"message": "Other", "client_id": "a"})

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert Message.objects.count() == 1
    assert is_whole(room)


@pytest.mark.django_db(transaction=True)
def test_of_parallel_requests_with_one_client_id_one_makes_a_message(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    room = open_room(client.user)

    responses = at_once(10, lambda _: client.post(MESSAGES, {"message": "Hello", "client_id": "a"}))

    assert sorted(response.status_code for response in responses) == [200] * 9 + [201]
    assert len({response.json()["id"] for response in responses}) == 1
    assert is_whole(room)


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, {"message": "required"}),
        ({"message": ""}, {"message": "blank"}),
        ({"message": " \n\t"}, {"message": "blank"}),
        ({"message": "x" * 4_001}, {"message": "max_length"}),
        ({"message": "\U0001f600" * 4_001}, {"message": "max_length"}),
        ({"message": 5}, {"message": "invalid"}),
        ({"message": None}, {"message": "null"}),
        ({"message": ["a"]}, {"message": "invalid"}),
        ({"message": "a", "client_id": ""}, {"client_id": "blank"}),
        ({"message": "a", "client_id": "x" * 65}, {"client_id": "max_length"}),
        ({"message": "a", "client_id": 5}, {"client_id": "invalid"}),
        ({"message": "a", "client_id": None}, {"client_id": "null"}),
        ({"message": "a", "seq": 5, "from": "system", "author": None}, None),
    ],
)
def test_what_is_wrong_with_a_message_is_named_and_nothing_is_said(
    auth_api: SignIn, body: dict[str, Any], wrong: dict[str, str] | None
) -> None:
    client = auth_api(Role.USER)
    room = open_room(client.user)
    before = row(room)

    response = client.post(MESSAGES, body)

    assert wrong_fields(response) == (wrong or dict.fromkeys(("seq", "from", "author"), "unknown"))
    assert row(room) == before
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    "raw", [b'{"message": "\\u0000"}', b'{"message": "\\ud83d"}', b'{"message": NaN}', b"[", b'"a"']
)
def test_what_cannot_be_stored_is_refused_as_it_is_read(auth_api: SignIn, raw: bytes) -> None:
    client = auth_api(Role.USER)
    open_room(client.user)

    response: Any = client.generic("POST", MESSAGES, raw, content_type="application/json")  # type: ignore[arg-type]  # the stub knows no body of bytes

    assert problem(response) in {(400, "parse_error"), (400, "validation_error")}
    assert not Message.objects.exists()


def test_four_thousand_characters_of_any_kind_are_taken(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    open_room(client.user)

    assert client.post(MESSAGES, {"message": "\U0001f600" * 4_000}).status_code == 201


def test_whoever_is_muted_or_finds_the_room_closed_is_told(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    ada = UserFactory.create()
    room = open_room(ada, members=[client.user])
    message = say(client.user)
    until = timezone.now() + timedelta(hours=1)
    MemberService.mute(actor=ada, slug=room.slug, user_id=client.user.pk, until=until)

    assert problem(client.post(MESSAGES, {"message": "Hello"})) == (409, "muted")
    assert problem(client.patch(f"{MESSAGES}{message.id}/", {"message": "Other"})) == (409, "muted")
    RoomService.update(actor=ada, slug=room.slug, changes={"closed": True})
    assert problem(client.post(MESSAGES, {"message": "Hello"})) == (409, "room_closed")
    Message.objects.update(created_at=timezone.now() - timedelta(minutes=16))
    RoomService.update(actor=ada, slug=room.slug, changes={"closed": False})
    MemberService.mute(actor=ada, slug=room.slug, user_id=client.user.pk, until=None)
    assert problem(client.patch(f"{MESSAGES}{message.id}/", {"message": "Other"})) == (409, "edit_window_over")


def test_whoever_is_not_in_a_public_room_reads_it_and_says_nothing(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    ada = UserFactory.create()
    open_room(ada)
    say(ada)

    assert [message["message"] for message in client.get(MESSAGES).json()["messages"]] == ["Hello"]
    assert problem(client.post(MESSAGES, {"message": "Hello"})) == (403, "forbidden")


def test_history_goes_both_ways(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    room = open_room(client.user)
    Message.objects.bulk_create(Message(room=room, seq=2 + number, text=f"{number}") for number in range(60))

    def page(query: str) -> tuple[int, int, int, bool]:
        body = client.get(f"{MESSAGES}?{query}").json()
        seqs = [message["seq"] for message in body["messages"]]
        assert seqs == list(range(seqs[0], seqs[-1] + 1))
        return len(seqs), seqs[0], seqs[-1], body["complete"]

    assert page("") == (50, 12, 61, False)
    assert page("before=12") == (10, 2, 11, True)
    assert page("after=0&limit=5") == (5, 2, 6, False)
    assert page("limit=200") == (60, 2, 61, True)
    assert client.get(f"{MESSAGES}?after=61").json() == {"messages": [], "complete": True}


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("limit=0", {"limit": "min_value"}),
        ("limit=201", {"limit": "max_value"}),
        ("limit=a", {"limit": "invalid"}),
        ("limit=", {"limit": "invalid"}),
        ("limit=1_0", {"limit": "invalid"}),
        ("limit=5.0", {"limit": "invalid"}),
        ("limit=%D9%A3", {"limit": "invalid"}),
        ("before=-1", {"before": "invalid"}),
        ("before=%00", {"before": "invalid"}),
        (f"after={2**63}", {"after": "max_value"}),
        ("after=" + "9" * 5_000, {"after": "max_string_length"}),
        ("before=3&after=3", {"before": "both"}),
    ],
)
def test_a_wrong_parameter_of_the_history_is_named(auth_api: SignIn, query: str, wrong: dict[str, str]) -> None:
    client = auth_api(Role.USER)
    open_room(client.user)

    assert wrong_fields(client.get(f"{MESSAGES}?{query}")) == wrong


def test_a_message_is_edited_and_what_was_shown_may_come_back(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    open_room(client.user)
    shown = client.post(MESSAGES, {"message": "Hello", "client_id": "a"}).json()

    response = client.patch(f"{MESSAGES}{shown['id']}/", shown | {"message": "Other"})

    assert response.status_code == 200
    assert response.json() == shown | {"message": "Other", "edited_at": response.json()["edited_at"]}
    assert client.patch(f"{MESSAGES}{shown['id']}/", {}).json() == response.json()
    assert wrong_fields(client.patch(f"{MESSAGES}{shown['id']}/", {"message": " ", "from": "system"})) == {
        "message": "blank",
        "from": "read_only",
    }


def test_a_message_is_deleted_and_its_place_stays(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    room = open_room(client.user)
    message = say(client.user)

    for _ in range(2):
        assert client.delete(f"{MESSAGES}{message.id}/").status_code == 204
    assert client.get(MESSAGES).json()["messages"] == [message.shown | {"message": "", "deleted": True}]
    assert problem(client.patch(f"{MESSAGES}{message.id}/", {"message": "Other"})) == (404, "not_found")
    assert problem(client.delete(f"{MESSAGES}{uuid4()}/")) == (404, "not_found")
    assert is_whole(room)


@pytest.mark.parametrize("role", [Role.MODERATOR, Role.ADMIN])
def test_whoever_oversees_all_rooms_reads_and_deletes_which_is_written_down_with_from_where(
    auth_api: SignIn, role: Role
) -> None:
    client = auth_api(role)
    ada = UserFactory.create()
    room = open_room(ada, private=True)
    message = say(ada)

    assert client.get(MESSAGES).json()["messages"] == [message.shown]
    assert client.get("/api/v1/chat/rooms/lamps/members/").json()["count"] == 1
    assert client.delete(f"{MESSAGES}{message.id}/").status_code == 204
    assert problem(client.post(MESSAGES, {"message": "Hello"})) == (403, "forbidden")

    entries = AuditSelector.listing().filter(details__room_id=str(room.pk)).order_by("created_at")
    assert [(entry.action, entry.account_id, entry.address) for entry in entries] == [
        (AuditAction.ROOM_READ, None, "127.0.0.1"),
        (AuditAction.ROOM_READ, None, "127.0.0.1"),
        (AuditAction.MESSAGE_REMOVED, ada.pk, "127.0.0.1"),
    ]
