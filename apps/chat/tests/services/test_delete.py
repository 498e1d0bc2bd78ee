import pytest

from apps.chat.models import Announcement, Change, Invitation, Membership, Message, Room
from apps.chat.selectors import ChangeSelector, MemberSelector, RoomSelector
from apps.chat.services import InvitationService, RoomService
from apps.chat.tests.support import open_room, row, say
from apps.common.exceptions import ForbiddenError, NotFoundError
from apps.common.types import Actor
from apps.users.tests.factories import AdminFactory, UserFactory
from infrastructure.queue.models import OutboxRow


@pytest.mark.django_db
def test_a_deleted_room_is_there_for_nobody_and_tells_nothing() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, members=[bob])

    RoomService.delete(actor=ada, slug=room.slug)

    kept = Room.objects.get()
    assert (kept.slug, kept.name, kept.deleted_at is None) == ("lamps", "", False)
    for actor in (ada, bob, UserFactory.create(), AdminFactory.create()):
        with pytest.raises(NotFoundError):
            RoomSelector.by_slug(actor=actor, slug="lamps")
        with pytest.raises(NotFoundError):
            RoomService.delete(actor=actor, slug="lamps")
        assert not RoomSelector.listing(user_id=actor.pk).exists()
    assert MemberSelector.standing(room_id=room.pk, user_ids=[ada.pk, bob.pk]) == set()
    assert ChangeSelector.last_seqs(room_ids=[room.pk]) == {}


@pytest.mark.django_db
def test_nobody_but_an_owner_deletes_it() -> None:
    ada, moderator, member = UserFactory.create_batch(3)
    room = open_room(ada, moderators=[moderator], members=[member])
    before = row(room)

    for actor in (moderator, member, UserFactory.create(), AdminFactory.create()):
        with pytest.raises(ForbiddenError):
            RoomService.delete(actor=actor, slug=room.slug)

    assert row(room) == before


def _fill(owner: Actor, slug: str) -> Room:
    room = open_room(owner, slug, members=[UserFactory.create()])
    InvitationService.invite(actor=owner, slug=slug, email=UserFactory.create().email)
    for _ in range(3):
        say(owner, slug)
    RoomService.announce(actor=owner, slug=slug, text="Soon")
    return room


def _jobs() -> int:
    return OutboxRow.objects.filter(name="chat.clean_deleted_room").count()


@pytest.mark.django_db
def test_what_was_in_a_deleted_room_goes_batch_by_batch_and_nothing_else() -> None:
    ada = UserFactory.create()
    gone, kept = _fill(ada, "gone"), _fill(ada, "kept")
    contents = (Change, Message, Announcement, Invitation, Membership)
    others = [model.objects.filter(room=kept).count() for model in contents]

    RoomService.delete(actor=ada, slug=gone.slug)
    assert _jobs() == 1

    # Changes, messages, the announcement, the invitation, members; and then there is nothing to do.
    assert [RoomService.purge(room_id=gone.pk) for _ in range(6)] == [2, 3, 1, 1, 2, 0]
    assert _jobs() == 6
    assert [model.objects.filter(room=gone).count() for model in contents] == [0] * 5
    assert [model.objects.filter(room=kept).count() for model in contents] == others
    assert Room.objects.filter(slug="gone").exists()


@pytest.mark.django_db
def test_nothing_of_a_room_that_is_there_goes() -> None:
    room = _fill(UserFactory.create(), "kept")

    assert RoomService.purge(room_id=room.pk) == 0
    assert Message.objects.filter(room=room).count() == 3


@pytest.mark.django_db
def test_a_batch_is_no_larger_than_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.chat.services.rooms.PURGE_BATCH", 2)
    ada = UserFactory.create()
    room = _fill(ada, "gone")
    RoomService.delete(actor=ada, slug=room.slug)

    assert [RoomService.purge(room_id=room.pk) for _ in range(4)] == [2, 2, 1, 1]
