"""What a request costs in statements and round trips. A number that rises is a decision, never an accident."""

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from apps.chat.models import Invitation, Membership, Message, Room
from apps.chat.tests.support import open_room
from apps.common.enums import Role
from apps.users.models import Session
from apps.users.services import SessionService
from apps.users.tests.authenticator import with_authenticator
from apps.users.tests.factories import PASSWORD, UserFactory
from apps.users.tests.support import redis_commands

if TYPE_CHECKING:
    from rest_framework.response import Response

    from conftest import AuthenticatedClient

# Outside of a transaction of the test's own, or BEGIN and COMMIT would be savepoints and nothing would follow them.
pytestmark = pytest.mark.django_db(transaction=True)

ME: Final = "/api/v1/auth/me/"


def _statements(request: Callable[[], "Response"], status: int) -> list[str]:
    """Return the first word of each statement and the table it is about."""
    with CaptureQueriesContext(connection) as captured:
        response = request()
    assert response.status_code == status, response.content
    return [_short(query["sql"]) for query in captured]


def _short(sql: str) -> str:
    words = sql.replace('"', "").split()
    # The first of them: an INSERT may have a FROM of its own.
    for before, table in pairwise(words):
        if before in {"FROM", "INTO", "UPDATE"}:
            return f"{words[0]} {table.partition('.')[0]}" + (" FOR UPDATE" if "FOR UPDATE" in sql else "")
    return words[0].rstrip(";")


def _cost(request: Callable[[], "Response"], status: int = 200) -> tuple[list[str], list[str]]:
    """Return the statements and the round trips to Redis."""
    with redis_commands() as commands:
        statements = _statements(request, status)
    return statements, commands


def test_me_costs_a_query_once_and_then_one_round_trip_to_redis_whatever_counts(
    auth_api: Callable[[Role], "AuthenticatedClient"],
) -> None:
    # Until somebody has used a script, the server does not know it, and is told it in a round trip more.
    auth_api(Role.USER).get(ME)
    client = auth_api(Role.USER)

    cold = _cost(lambda: client.get(ME))
    warm = _cost(lambda: client.get(ME))

    assert cold == (["SELECT sessions"], ["EVALSHA", "EVALSHA"])
    assert warm == ([], ["EVALSHA"])


def test_a_refused_caller_costs_a_query_only_if_the_token_is_good(
    api: APIClient, auth_api: Callable[[Role], "AuthenticatedClient"]
) -> None:
    auth_api(Role.USER).get(ME)
    client = auth_api(Role.USER)
    SessionService.logout(token=client.refresh)

    assert _cost(lambda: api.get(ME), 401) == ([], ["EVALSHA"])
    assert _cost(lambda: api.get(ME, headers={"Authorization": "Bearer rubbish"}), 401) == ([], ["EVALSHA"])
    assert _cost(lambda: client.get(ME), 401) == (["SELECT sessions"], ["EVALSHA", "EVALSHA"])


@pytest.mark.parametrize("rows", [1, 100])
def test_a_list_of_sessions_costs_the_same_for_one_and_for_a_hundred(
    auth_api: Callable[[Role], "AuthenticatedClient"], rows: int
) -> None:
    client = auth_api(Role.USER)
    expires_at = timezone.now() + timedelta(days=1)
    Session.objects.bulk_create(Session(user=client.user, expires_at=expires_at) for _ in range(rows - 1))
    client.get(ME)

    statements = _statements(lambda: client.get("/api/v1/auth/sessions/?page_size=100"), 200)

    assert statements == ["SELECT (SELECT", "SELECT sessions"]


@pytest.mark.parametrize("rows", [1, 100])
def test_a_list_costs_the_same_for_one_row_and_for_a_hundred(admin_api: "AuthenticatedClient", rows: int) -> None:
    UserFactory.create_batch(rows - 1)

    response = admin_api.get("/api/v1/users/?page_size=100")
    statements = _statements(lambda: admin_api.get("/api/v1/users/?page_size=100"), 200)

    assert len(response.json()["results"]) == rows
    # The count, the page.
    assert statements == ["SELECT (SELECT", "SELECT users"]


def test_an_account_costs_a_query_once_and_then_none(admin_api: "AuthenticatedClient") -> None:
    path = f"/api/v1/users/{UserFactory.create().pk}/"

    cold = _statements(lambda: admin_api.get(path), 200)
    warm = _statements(lambda: admin_api.get(path), 200)

    # The session of whoever asks, and the account.
    assert (cold, warm) == (["SELECT sessions", "SELECT users"], [])


def test_a_registration(api: APIClient) -> None:
    body = {"email": "ada@example.com", "name": "Ada", "password": PASSWORD}

    assert _statements(lambda: api.post("/api/v1/auth/register/", body), 201) == [
        "BEGIN",
        "INSERT users",
        "INSERT audit_entries",
        "INSERT outbox",
        "COMMIT",
        "UPDATE outbox",
        "SELECT users",
    ]


def test_a_login(api: APIClient) -> None:
    body = {"email": UserFactory.create().email, "password": PASSWORD}

    assert _statements(lambda: api.post("/api/v1/auth/login/", body), 200) == [
        "SELECT users",
        "SELECT totp_devices",
        "BEGIN",
        "SELECT users FOR UPDATE",
        "INSERT sessions",
        "INSERT refresh_tokens",
        "INSERT audit_entries",
        "COMMIT",
    ]


def test_a_login_with_a_second_factor(api: APIClient) -> None:
    user = UserFactory.create()
    app = with_authenticator(user)
    body = {"email": user.email, "password": PASSWORD}

    assert _statements(lambda: api.post("/api/v1/auth/login/", body), 200) == [
        "SELECT users",
        "SELECT totp_devices",
        "BEGIN",
        "SELECT users FOR UPDATE",
        "INSERT mfa_challenges",
        "COMMIT",
    ]
    body = {"mfa_token": api.post("/api/v1/auth/login/", body).json()["mfa_token"], "code": app.code()}
    assert _statements(lambda: api.post("/api/v1/auth/mfa/verify/", body), 200) == [
        "BEGIN",
        "SELECT users FOR UPDATE",
        # The login at hand, and the wrong codes of those before it.
        "SELECT mfa_challenges",
        "SELECT mfa_challenges",
        "SELECT totp_devices",
        "UPDATE totp_devices",
        "UPDATE mfa_challenges",
        "SAVEPOINT",
        "SELECT users FOR UPDATE",
        "INSERT sessions",
        "INSERT refresh_tokens",
        "INSERT audit_entries",
        "RELEASE",
        "COMMIT",
    ]


def test_a_refresh(api: APIClient, auth_api: Callable[[Role], "AuthenticatedClient"]) -> None:
    body = {"refresh": auth_api(Role.USER).refresh}

    assert _statements(lambda: api.post("/api/v1/auth/refresh/", body), 200) == [
        "BEGIN",
        "SELECT sessions FOR UPDATE",
        "SELECT refresh_tokens",
        "INSERT refresh_tokens",
        "UPDATE refresh_tokens",
        "UPDATE sessions",
        "COMMIT",
    ]


def test_a_logout(api: APIClient, auth_api: Callable[[Role], "AuthenticatedClient"]) -> None:
    body = {"refresh": auth_api(Role.USER).refresh}

    assert _statements(lambda: api.post("/api/v1/auth/logout/", body), 204) == [
        "BEGIN",
        "SELECT sessions FOR UPDATE",
        "UPDATE sessions",
        "INSERT audit_entries",
        "COMMIT",
    ]


RESET = ["BEGIN", "SELECT users", "INSERT outbox", "COMMIT", "UPDATE outbox"]


@pytest.mark.parametrize("address", ["known", "unknown"])
def test_asking_for_a_reset_is_the_same_work_whether_there_is_such_an_account(api: APIClient, address: str) -> None:
    email = UserFactory.create().email if address == "known" else "nobody@example.com"

    assert _statements(lambda: api.post("/api/v1/auth/password/reset/", {"email": email}), 202) == RESET


@pytest.mark.parametrize("address", ["taken", "free"])
def test_a_silent_registration_is_the_same_work_whether_the_address_is_taken(
    api: APIClient, settings: Settings, address: str
) -> None:
    settings.REGISTRATION_DISCLOSES_TAKEN = False
    email = UserFactory.create().email if address == "taken" else "ada@example.com"
    body = {"email": email, "name": "Ada", "password": PASSWORD}

    assert _statements(lambda: api.post("/api/v1/auth/register/", body), 202) == [
        "BEGIN",
        "INSERT users",
        "SELECT users",
        "INSERT audit_entries",
        "INSERT outbox",
        "COMMIT",
        "UPDATE outbox",
    ]


def test_a_change_of_password(auth_api: Callable[[Role], "AuthenticatedClient"]) -> None:
    client = auth_api(Role.USER)
    body = {"current": PASSWORD, "new": "nine hundred lanterns"}

    assert _statements(lambda: client.post("/api/v1/auth/password/change/", body), 200) == [
        # Who asks, the password, the rows that are held.
        *("SELECT sessions", "SELECT users"),
        *("BEGIN", "SELECT users FOR UPDATE", "SELECT sessions FOR UPDATE", "SELECT sessions FOR UPDATE"),
        *("INSERT refresh_tokens", "UPDATE users", "SELECT users"),
        *("INSERT audit_entries", "INSERT outbox", "COMMIT"),
        # The cached copy and the message to the worker.
        *("SELECT users", "UPDATE outbox"),
    ]


ROOMS: Final = "/api/v1/chat/rooms/"


@pytest.mark.parametrize("rows", [1, 100])
def test_a_list_of_rooms_costs_the_same_for_one_and_for_a_hundred(
    auth_api: Callable[[Role], "AuthenticatedClient"], rows: int
) -> None:
    client = auth_api(Role.USER)
    rooms = [open_room(client.user)]
    rooms += Room.objects.bulk_create(Room(slug=f"room-{number}", name="Room") for number in range(rows - 1))
    Membership.objects.bulk_create(Membership(room=room, user_id=client.user.pk) for room in rooms[1:])
    Message.objects.bulk_create(Message(room=room, seq=10, text="Hello") for room in rooms)

    response = client.get(f"{ROOMS}?page_size=100")
    statements = _statements(lambda: client.get(f"{ROOMS}?page_size=100"), 200)

    results = response.json()["results"]
    assert [(room["unread"], bool(room["my_role"])) for room in results] == [(1, True)] * rows
    # The count of the public and of the private ones, and the page, whose first subquery counts what is unread.
    assert statements == ["SELECT (SELECT", "SELECT (SELECT", "SELECT (SELECT"]


@pytest.mark.parametrize("rows", [1, 100])
def test_lists_of_members_and_of_invitations_cost_the_same_for_one_and_for_a_hundred(
    auth_api: Callable[[Role], "AuthenticatedClient"], rows: int
) -> None:
    client = auth_api(Role.USER)
    people = UserFactory.create_batch(rows)
    room = open_room(people[0], private=True)
    Membership.objects.bulk_create(Membership(room=room, user_id=user.pk) for user in [*people[1:], client.user])
    rooms = Room.objects.bulk_create(Room(slug=f"room-{number}", name="Room") for number in range(rows))
    Invitation.objects.bulk_create(
        Invitation(room=room, inviter_id=user.pk, invitee_id=client.user.pk)
        for room, user in zip(rooms, people, strict=True)
    )
    client.get(ROOMS)

    members = f"{ROOMS}lamps/members/?page_size=100"
    assert len(client.get(members).json()["results"]) == min(rows + 1, 100)
    # What one may do there, the count, the page.
    assert _statements(lambda: client.get(members), 200) == ["SELECT rooms", "SELECT (SELECT", "SELECT memberships"]
    invitations = "/api/v1/chat/invitations/?page_size=100"
    assert len(client.get(invitations).json()["results"]) == rows
    assert _statements(lambda: client.get(invitations), 200) == ["SELECT (SELECT", "SELECT invitations"]


@pytest.mark.parametrize("rows", [1, 200])
def test_a_page_of_messages_costs_the_same_for_one_and_for_two_hundred(
    auth_api: Callable[[Role], "AuthenticatedClient"], rows: int
) -> None:
    client = auth_api(Role.USER)
    room = open_room(client.user)
    people = UserFactory.create_batch(rows)
    Message.objects.bulk_create(
        Message(room=room, seq=10 + number, author_id=user.pk, text="Hello") for number, user in enumerate(people)
    )
    client.get(ROOMS)

    messages = f"{ROOMS}lamps/messages/?limit=200"
    assert len(client.get(messages).json()["messages"]) == rows
    assert _statements(lambda: client.get(messages), 200) == ["SELECT rooms", "SELECT messages"]


def test_a_message(auth_api: Callable[[Role], "AuthenticatedClient"]) -> None:
    client = auth_api(Role.USER)
    open_room(client.user)
    client.get(ROOMS)
    body = {"message": "Hello", "client_id": "a"}

    # Whether one may, before the body and again beside it; then in one round trip the room's number and all that
    # decides, and the row.
    statements = ["SELECT rooms", "SELECT rooms", "BEGIN", "UPDATE rooms", "INSERT messages", "COMMIT"]
    assert _statements(lambda: client.post(f"{ROOMS}lamps/messages/", body), 201) == statements


@pytest.mark.parametrize("who", ["nobody", "somebody", "member"])
def test_an_invitation_is_the_same_work_whoever_has_the_address(
    auth_api: Callable[[Role], "AuthenticatedClient"], who: str
) -> None:
    client = auth_api(Role.USER)
    somebody, member = UserFactory.create_batch(2)
    open_room(client.user, members=[member])
    client.get(ROOMS)
    email = {"nobody": "nobody@example.com", "somebody": somebody.email, "member": member.email}[who]

    assert _statements(lambda: client.post(f"{ROOMS}lamps/members/", {"email": email}), 202) == [
        # Whether one may, before the body and again beside it.
        *("SELECT rooms", "SELECT rooms"),
        *("SELECT users", "SELECT memberships", "BEGIN", "INSERT invitations", "COMMIT"),
    ]
