from typing import Any

import pytest

from apps.chat.enums import RoomRole, Visibility
from apps.chat.exceptions import ClosedAccountError, SlugTakenError
from apps.chat.models import Membership, Room
from apps.chat.services import RoomService
from apps.chat.tests.support import history, is_whole, open_room, row, tried
from apps.common.tests.races import at_once
from apps.users.services import UserService
from apps.users.tests.factories import AdminFactory, UserFactory


@pytest.mark.django_db
def test_whoever_opens_a_room_owns_it_and_has_read_all_that_is_in_it() -> None:
    ada = UserFactory.create(name="Ada")

    RoomService.create(actor=ada, slug="lamps", name="Lamps", visibility=Visibility.PRIVATE)

    room = Room.objects.get()
    assert (room.slug, room.name, room.visibility, room.last_seq) == ("lamps", "Lamps", "private", 1)
    place = Membership.objects.get()
    assert (place.user_id, place.role, place.last_read_seq) == (ada.pk, RoomRole.OWNER, 1)
    assert history(room) == [
        {
            "type": "member",
            "seq": 1,
            "user": {"id": str(ada.pk), "name": "Ada", "avatar": None},
            "change": "joined",
            "role": "owner",
            "muted_until": None,
        }
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("state", ["there", "deleted"])
def test_a_slug_is_given_once_for_ever(state: str) -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada)
    if state == "deleted":
        RoomService.delete(actor=ada, slug=room.slug)
    before = row(room)

    with pytest.raises(SlugTakenError):
        RoomService.create(actor=bob, slug=room.slug, name="Mine", visibility=Visibility.PUBLIC)

    assert row(room) == before
    assert not Membership.objects.filter(user_id=bob.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_of_those_who_take_a_slug_at_once_one_gets_it() -> None:
    people = UserFactory.create_batch(8)

    outcomes = at_once(
        8,
        lambda number: tried(
            lambda: RoomService.create(actor=people[number], slug="lamps", name="Lamps", visibility=Visibility.PUBLIC)
        ),
    )

    assert sorted(outcomes) == ["conflict"] * 7 + ["done"]
    assert Membership.objects.count() == 1
    assert is_whole(Room.objects.get())


@pytest.mark.django_db
def test_a_closed_account_opens_no_room() -> None:
    ada = UserFactory.create()
    UserService.deactivate(actor=AdminFactory.create(), user_id=ada.pk)

    with pytest.raises(ClosedAccountError):
        RoomService.create(actor=ada, slug="lamps", name="Lamps", visibility=Visibility.PUBLIC)

    assert not Room.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_whoever_opens_a_room_while_his_account_is_closed_leaves_none_without_an_owner() -> None:
    admin = AdminFactory.create()
    for number in range(10):
        ada = UserFactory.create()

        def act(which: int, slug: str = f"room-{number}", ada: Any = ada) -> str:
            if which:
                return tried(lambda: UserService.deactivate(actor=admin, user_id=ada.pk))
            return tried(lambda: RoomService.create(actor=ada, slug=slug, name="A", visibility=Visibility.PUBLIC))

        made, _ = at_once(2, act)

        rooms = Room.objects.filter(slug=f"room-{number}")
        assert rooms.exists() == (made == "done")
        assert all(room.closed_at for room in rooms)
