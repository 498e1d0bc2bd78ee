import pytest

from apps.chat.models import Room
from apps.chat.services import RoomService
from apps.chat.tests.support import history, is_whole, open_room, row, tried
from apps.common.exceptions import ForbiddenError, NotFoundError
from apps.users.enums import AuditAction
from apps.users.selectors import AuditSelector
from apps.users.tests.factories import AdminFactory, ModeratorFactory, UserFactory


@pytest.mark.django_db
def test_an_owner_changes_a_room_and_everyone_in_it_is_told() -> None:
    ada = UserFactory.create()
    room = open_room(ada)

    changed = RoomService.update(actor=ada, slug=room.slug, changes={"name": "Tea", "visibility": "private"})

    assert (changed.name, changed.visibility, changed.last_seq) == ("Tea", "private", 2)
    assert history(room)[1:] == [{"type": "room", "seq": 2, "name": "Tea", "visibility": "private", "closed_at": None}]


@pytest.mark.django_db
def test_a_room_is_closed_once_and_opened_again() -> None:
    ada = UserFactory.create()
    room = open_room(ada)

    closed_at = RoomService.update(actor=ada, slug=room.slug, changes={"closed": True}).closed_at
    again = RoomService.update(actor=ada, slug=room.slug, changes={"closed": True})
    opened = RoomService.update(actor=ada, slug=room.slug, changes={"closed": False})

    assert closed_at is not None
    assert (again.closed_at, again.last_seq) == (closed_at, 2)
    assert (opened.closed_at, opened.last_seq) == (None, 3)
    assert [frame["closed_at"] is None for frame in history(room)[1:]] == [False, True]


@pytest.mark.django_db
def test_what_is_as_it_was_takes_no_number() -> None:
    ada = UserFactory.create()
    room = open_room(ada)
    before = row(room)

    RoomService.update(actor=ada, slug=room.slug, changes={"name": room.name, "visibility": "public", "closed": False})
    RoomService.update(actor=ada, slug=room.slug, changes={})

    assert row(room) == before
    assert is_whole(room)


@pytest.mark.django_db
def test_nobody_but_an_owner_changes_it() -> None:
    ada, moderator, member, stranger = UserFactory.create_batch(4)
    room = open_room(ada, moderators=[moderator], members=[member])
    before = row(room)

    for actor in (moderator, member, stranger, ModeratorFactory.create(), AdminFactory.create()):
        with pytest.raises(ForbiddenError):
            RoomService.update(actor=actor, slug=room.slug, changes={"name": "Mine"})
        with pytest.raises(ForbiddenError):
            RoomService.update(actor=actor, slug=room.slug, changes={"closed": True, "visibility": "private"})
    for actor in (moderator, member, stranger):
        with pytest.raises(ForbiddenError):
            RoomService.update(actor=actor, slug=room.slug, changes={"closed": True})

    assert row(room) == before


@pytest.mark.django_db
@pytest.mark.parametrize("factory", [ModeratorFactory, AdminFactory])
def test_whoever_oversees_all_rooms_closes_one_and_opens_it_again_which_is_written_down(
    factory: type[UserFactory],
) -> None:
    overseer = factory.create()
    room = open_room(UserFactory.create(), private=True)

    RoomService.update(actor=overseer, slug=room.slug, changes={"closed": True})
    RoomService.update(actor=overseer, slug=room.slug, changes={"closed": True})
    RoomService.update(actor=overseer, slug=room.slug, changes={"closed": False})

    entries = AuditSelector.listing().filter(actor_id=overseer.pk).order_by("created_at")
    assert [(entry.action, entry.account_id, entry.details) for entry in entries] == [
        (action, None, {"room_id": str(room.pk)}) for action in (AuditAction.ROOM_CLOSED, AuditAction.ROOM_REOPENED)
    ]


@pytest.mark.django_db
def test_an_owner_who_oversees_all_rooms_closes_the_own_one_as_its_owner() -> None:
    admin = AdminFactory.create()
    room = open_room(admin)

    RoomService.update(actor=admin, slug=room.slug, changes={"closed": True})

    assert Room.objects.get().closed_at is not None
    assert not AuditSelector.listing().filter(action=AuditAction.ROOM_CLOSED).exists()


@pytest.mark.django_db
def test_a_private_room_is_not_there_for_a_stranger() -> None:
    room = open_room(UserFactory.create(), private=True)
    stranger = UserFactory.create()

    with pytest.raises(NotFoundError):
        RoomService.update(actor=stranger, slug=room.slug, changes={"closed": True})
    assert tried(lambda: RoomService.update(actor=stranger, slug="nowhere", changes={})) == "not_found"
