import pytest

from apps.chat.models import Change, Invitation, Membership, Message, Room
from apps.chat.selectors import ChangeSelector, MemberSelector, RoomSelector
from apps.chat.services import InvitationService, RoomService
from apps.chat.services.rooms import PURGE_LIMIT
from apps.chat.tests.support import open_room, row, say
from apps.common.exceptions import ForbiddenError, NotFoundError
from apps.common.types import Actor
from apps.users.tests.factories import AdminFactory, UserFactory


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


@pytest.mark.django_db
def test_what_was_in_a_deleted_room_goes_and_nothing_else() -> None:
    ada = UserFactory.create()
    gone, kept = _fill(ada, "gone"), _fill(ada, "kept")
    RoomService.delete(actor=ada, slug=gone.slug)
    others = [model.objects.filter(room=kept).count() for model in (Change, Message, Invitation, Membership)]

    # Changes, messages, the announcement, the invitation, members.
    assert RoomService.purge_deleted() == 2 + 3 + 1 + 1 + 2
    assert RoomService.purge_deleted() == 0

    assert [model.objects.filter(room=gone).count() for model in (Change, Message, Invitation, Membership)] == [0] * 4
    assert [model.objects.filter(room=kept).count() for model in (Change, Message, Invitation, Membership)] == others
    assert Room.objects.get(slug="gone").purged_at is not None


@pytest.mark.django_db
@pytest.mark.layers_off("one statement for each batch, and the batches are tiny here")
def test_a_run_deletes_no_more_than_it_may_and_the_next_one_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.chat.services.rooms.PURGE_BATCH", 1)
    monkeypatch.setattr("apps.chat.services.rooms.PURGE_LIMIT", 4)
    ada = UserFactory.create()
    room = _fill(ada, "gone")
    RoomService.delete(actor=ada, slug=room.slug)

    runs = [RoomService.purge_deleted() for _ in range(4)]

    assert PURGE_LIMIT == 100_000
    assert runs == [4, 4, 1, 0]
    assert not Message.objects.exists()
