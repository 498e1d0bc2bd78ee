"""What becomes of rooms when the account of somebody in them is closed or erased."""

import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.chat.enums import RoomRole
from apps.chat.models import Invitation, Membership, Room
from apps.chat.services import InvitationService, MemberService
from apps.chat.services.departures import give_rooms_up
from apps.chat.tests.support import history, is_whole, member_frames, open_room, place, row, say, tried
from apps.common.exceptions import ConflictError
from apps.common.tests.races import at_once
from apps.common.types import Actor
from apps.users.services import ErasureService, UserService
from apps.users.tests.factories import AdminFactory, UserFactory
from apps.users.types import account_closed


def _deactivate(user: Actor) -> None:
    UserService.deactivate(actor=AdminFactory.create(), user_id=user.id)


def _erase(user: Actor) -> None:
    ErasureService.erase(actor=AdminFactory.create(), user_id=user.id)


def _roles(room: Room) -> dict[object, str]:
    return dict(Membership.objects.standing().filter(room=room).values_list("user_id", "role"))


@pytest.mark.django_db
def test_the_oldest_moderator_inherits_a_room_whose_owner_is_deactivated() -> None:
    ada, oldest, moderator, later = UserFactory.create_batch(4)
    room = open_room(ada, members=[oldest], moderators=[moderator, later])

    _deactivate(ada)

    assert _roles(room) == {ada.pk: "member", oldest.pk: "member", moderator.pk: "owner", later.pk: "moderator"}
    assert member_frames(room)[-2:] == [(str(moderator.pk), "role", "owner"), (str(ada.pk), "role", "member")]
    assert is_whole(room)


@pytest.mark.django_db
def test_where_nobody_moderates_the_oldest_member_inherits_it() -> None:
    ada, oldest, later = UserFactory.create_batch(3)
    room = open_room(ada, members=[later, oldest])
    Membership.objects.filter(user_id=oldest.pk).update(joined_at=timezone.now() - timedelta(days=1))

    _deactivate(ada)

    assert _roles(room)[oldest.pk] == "owner"


@pytest.mark.django_db
def test_those_who_left_are_banned_or_closed_themselves_inherit_nothing() -> None:
    ada, left, banned, closed, heir = UserFactory.create_batch(5)
    room = open_room(ada, moderators=[left, banned, closed], members=[heir])
    MemberService.leave(actor=left, slug=room.slug)
    MemberService.ban(actor=ada, slug=room.slug, user_id=banned.pk)
    _deactivate(closed)

    _deactivate(ada)

    assert _roles(room) == {ada.pk: "member", closed.pk: "moderator", heir.pk: "owner"}


@pytest.mark.django_db
def test_a_room_without_heirs_is_closed_and_its_owner_finds_it_when_he_is_back() -> None:
    ada = UserFactory.create()
    room = open_room(ada)

    _deactivate(ada)

    room.refresh_from_db()
    assert room.closed_at is not None
    assert _roles(room) == {ada.pk: "owner"}
    assert [frame["type"] for frame in history(room)] == ["member", "room"]
    assert is_whole(room)


@pytest.mark.django_db
def test_another_owner_keeps_it_and_whoever_owns_nothing_stays_what_he_is() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    shared, foreign = open_room(ada, members=[bob]), open_room(bob, "tea", moderators=[ada])
    MemberService.set_role(actor=ada, slug=shared.slug, user_id=bob.pk, role=RoomRole.OWNER)
    before = row(foreign)

    _deactivate(ada)

    assert _roles(shared) == {ada.pk: "member", bob.pk: "owner"}
    assert _roles(foreign) == {ada.pk: "moderator", bob.pk: "owner"}
    assert row(foreign) == before
    assert is_whole(shared)


@pytest.mark.django_db
def test_an_erased_account_is_in_no_room_any_more_and_what_it_said_stays_without_a_name() -> None:
    ada, bob = UserFactory.create(name="Ada"), UserFactory.create()
    owned, foreign, lonely = open_room(ada, members=[bob]), open_room(bob, "tea", members=[ada]), open_room(ada, "self")
    say(ada, "tea", "My word")
    InvitationService.invite(actor=bob, slug=open_room(bob, "more").slug, email=ada.email)

    _erase(ada)

    assert not Membership.objects.standing().filter(user_id=ada.pk).exists()
    assert _roles(owned) == {bob.pk: "owner"}
    lonely.refresh_from_db()
    assert lonely.closed_at is not None
    assert not Invitation.objects.filter(invitee_id=ada.pk).exists()
    message = next(frame for frame in history(foreign) if frame["type"] == "message")
    nobody = {"id": str(ada.pk), "name": "", "avatar": None}
    assert (message["message"], message["author"]) == ("My word", nobody)
    assert history(foreign)[-1] == {
        "type": "member",
        "seq": 4,
        "user": nobody,
        "change": "left",
        "role": "member",
        "muted_until": None,
    }
    assert all(is_whole(room) for room in (owned, foreign, lonely))


@pytest.mark.django_db
def test_whoever_was_deactivated_before_leaves_when_he_is_erased() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    kept, lonely = open_room(ada, members=[bob]), open_room(ada, "self")
    _deactivate(ada)

    _erase(ada)

    assert (_roles(kept), _roles(lonely)) == ({bob.pk: "owner"}, {})
    assert is_whole(kept)
    assert is_whole(lonely)


def _room_of(owner: Actor, member: Actor, number: int) -> None:
    """Make a room row by row: by the services, many would be N+1."""
    room = Room.objects.create(slug=f"room-{number}", name="Room")
    Membership.objects.create(room=room, user_id=owner.id, role=RoomRole.OWNER)
    Membership.objects.create(room=room, user_id=member.id)


@pytest.mark.django_db
@pytest.mark.parametrize("rooms", [1, 12])
@pytest.mark.parametrize("erased", [True, False])
def test_one_room_and_many_are_the_same_few_statements(rooms: int, *, erased: bool) -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    for number in range(rooms):
        _room_of(ada, bob, number)

    with CaptureQueriesContext(connection) as captured:
        give_rooms_up(user_id=ada.pk, erased=erased)

    # The hold, the rooms, the places, the heirs, two updates and the changes; invitations where it is erased.
    statements = [query["sql"].split()[0] for query in captured if "SAVEPOINT" not in query["sql"]]
    assert statements == ["SELECT", "SELECT", "SELECT", "SELECT", "UPDATE", "UPDATE", "INSERT"] + ["DELETE"] * erased


@pytest.mark.django_db
def test_whoever_is_in_no_room_costs_two_statements() -> None:
    with CaptureQueriesContext(connection) as captured:
        give_rooms_up(user_id=UserFactory.create().pk, erased=False)

    assert [query["sql"].split()[0] for query in captured] == ["INSERT", "SELECT", "SELECT"]


@pytest.mark.django_db
def test_it_happens_with_the_closing_of_the_account_or_not_at_all() -> None:
    ada = UserFactory.create()
    room = open_room(ada, members=[UserFactory.create()])
    before = (row(room), place(room, ada))

    def refuse(**_: object) -> None:
        raise ConflictError

    account_closed.connect(refuse)
    try:
        assert tried(lambda: _deactivate(ada)) == "conflict"
    finally:
        account_closed.disconnect(refuse)

    ada.refresh_from_db()
    assert ada.is_active
    assert (row(room), place(room, ada)) == before


@pytest.mark.django_db(transaction=True)
def test_of_an_owner_and_his_heir_who_are_closed_at_once_neither_keeps_the_room() -> None:
    admins = AdminFactory.create_batch(3)
    for number in range(8):
        ada, bob, cleo = UserFactory.create_batch(3)
        room = open_room(ada, f"room-{number}", moderators=[bob], members=[cleo])
        people = [ada, bob]

        def close(which: int, people: list[Any] = people) -> str:
            return tried(lambda: UserService.deactivate(actor=admins[which], user_id=people[which].pk))

        assert at_once(2, close) == ["done", "done"]
        assert _roles(room)[cleo.pk] == "owner"
        assert list(_roles(room).values()).count("owner") == 1
        assert is_whole(room)


@pytest.mark.django_db(transaction=True)
def test_an_account_that_is_closed_while_it_writes_and_joins_makes_no_deadlock() -> None:
    admin = AdminFactory.create()
    for number in range(6):
        ada, bob = UserFactory.create_batch(2)
        rooms = [open_room(ada, f"room-{number}-{which}", members=[bob]) for which in range(3)]

        def act(which: int, ada: Any = ada, rooms: list[Room] = rooms) -> str:
            if which == 0:
                return tried(lambda: ErasureService.erase(actor=admin, user_id=ada.pk))
            if which == 1:
                return tried(lambda: MemberService.join(actor=ada, slug=rooms[0].slug))
            return tried(lambda: [say(ada, room.slug) for room in reversed(rooms)])

        outcomes = at_once(6, act)

        assert outcomes[0] == "done"
        assert set(outcomes) <= {"done", "forbidden", "conflict", "room_closed"}
        assert not Membership.objects.standing().filter(user_id=ada.pk).exists()
        assert all(is_whole(room) for room in rooms)


_PROGRAM = """
import django
django.setup()
from apps.users.types import account_closed
print([receiver.__name__ for receiver in account_closed._live_receivers(None)[0]])
"""


@pytest.mark.slow
def test_every_process_that_can_close_an_account_hands_over_its_rooms() -> None:
    ran = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "['give_rooms_up']"
