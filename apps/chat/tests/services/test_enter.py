from datetime import timedelta

import pytest
from django.utils import timezone

from apps.chat.exceptions import BannedError
from apps.chat.models import Membership
from apps.chat.services import MemberService, RoomService
from apps.chat.tests.support import member_frames, open_room, place, row, say
from apps.common.exceptions import NotFoundError
from apps.users.enums import AuditAction
from apps.users.selectors import AuditSelector
from apps.users.tests.factories import AdminFactory, ModeratorFactory, UserFactory


def _readings() -> int:
    return AuditSelector.listing().filter(action=AuditAction.ROOM_READ).count()


@pytest.mark.django_db
def test_whoever_enters_a_public_room_becomes_a_member_once() -> None:
    ada, bob = UserFactory.create(), UserFactory.create(name="Bob")
    room = open_room(ada)
    say(ada)

    first = RoomService.enter(actor=bob, slug="lamps")
    again = RoomService.enter(actor=bob, slug="lamps")

    assert first == again
    assert (first.room_id, first.slug, first.name, first.visibility) == (room.pk, "lamps", "Lamps", "public")
    assert (first.role, first.last_seq, first.last_read_seq, first.member_count) == ("member", 3, 3, 2)
    assert (first.muted_until, first.closed_at, first.is_overseen) == (None, None, False)
    assert first.author == {"id": str(bob.pk), "name": "Bob", "avatar": None}
    assert member_frames(room) == [(str(ada.pk), "joined", "owner"), (str(bob.pk), "joined", "member")]


@pytest.mark.django_db
def test_a_member_finds_how_far_he_has_read_and_until_when_he_is_muted() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, members=[bob], private=True)
    until = timezone.now() + timedelta(hours=1)
    MemberService.mute(actor=ada, slug=room.slug, user_id=bob.pk, until=until)

    seat = RoomService.enter(actor=bob, slug=room.slug)

    assert (seat.last_seq, seat.last_read_seq, seat.muted_until) == (3, 2, until)


@pytest.mark.django_db
def test_a_private_room_is_not_there_for_a_stranger_and_one_who_left() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, private=True, members=[bob])
    MemberService.leave(actor=bob, slug=room.slug)
    before = (row(room), place(room, bob))

    for actor in (bob, UserFactory.create()):
        with pytest.raises(NotFoundError):
            RoomService.enter(actor=actor, slug=room.slug)

    assert (row(room), place(room, bob)) == before
    with pytest.raises(NotFoundError):
        RoomService.enter(actor=bob, slug="nowhere")


@pytest.mark.django_db
@pytest.mark.parametrize("private", [True, False])
def test_whoever_is_banned_does_not_come_in(*, private: bool) -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, private=private, members=[bob])
    MemberService.ban(actor=ada, slug=room.slug, user_id=bob.pk)
    before = (row(room), place(room, bob))

    with pytest.raises(BannedError):
        RoomService.enter(actor=bob, slug=room.slug)

    assert (row(room), place(room, bob)) == before


@pytest.mark.django_db
@pytest.mark.parametrize("factory", [ModeratorFactory, AdminFactory])
def test_whoever_oversees_all_rooms_reads_a_private_one_which_is_written_down(factory: type[UserFactory]) -> None:
    overseer = factory.create()
    room = open_room(UserFactory.create(), private=True)

    seat = RoomService.enter(actor=overseer, slug=room.slug)

    assert (seat.role, seat.is_overseen, seat.last_read_seq) == (None, True, 0)
    assert not Membership.objects.filter(user_id=overseer.pk).exists()
    entry = AuditSelector.listing().get(action=AuditAction.ROOM_READ)
    assert (entry.actor_id, entry.account_id, entry.details) == (overseer.pk, None, {"room_id": str(room.pk)})


@pytest.mark.django_db
def test_in_a_public_room_an_overseer_is_a_member_like_all_and_a_banned_one_only_reads() -> None:
    ada, overseer = UserFactory.create(), ModeratorFactory.create()
    room = open_room(ada)

    assert RoomService.enter(actor=overseer, slug=room.slug).role == "member"
    assert _readings() == 0

    MemberService.ban(actor=ada, slug=room.slug, user_id=overseer.pk)
    seat = RoomService.enter(actor=overseer, slug=room.slug)
    assert (seat.role, seat.is_overseen) == (None, True)
    assert _readings() == 1
