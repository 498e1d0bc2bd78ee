from typing import Any

import pytest

from apps.chat.enums import RoomRole
from apps.chat.exceptions import BannedError, SoleOwnerError
from apps.chat.models import Membership
from apps.chat.services import MemberService
from apps.chat.tests.support import is_whole, member_frames, open_room, place, row, tried
from apps.common.exceptions import NotFoundError
from apps.common.tests.races import at_once
from apps.users.tests.factories import AdminFactory, UserFactory


@pytest.mark.django_db
def test_whoever_leaves_is_a_member_no_more_and_the_others_are_told() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, moderators=[bob])

    MemberService.leave(actor=bob, slug=room.slug)

    left = Membership.objects.get(user_id=bob.pk)
    assert (left.role, left.left_at is None, left.banned_at) == (RoomRole.MEMBER, False, None)
    assert member_frames(room)[-1] == (str(bob.pk), "left", "member")
    assert is_whole(room)


@pytest.mark.django_db
def test_whoever_is_not_in_it_changes_nothing_by_leaving() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, members=[bob])
    MemberService.leave(actor=bob, slug=room.slug)
    before = (row(room), place(room, bob))

    for actor in (bob, UserFactory.create(), AdminFactory.create()):
        MemberService.leave(actor=actor, slug=room.slug)

    assert (row(room), place(room, bob)) == before


@pytest.mark.django_db
def test_a_sole_owner_makes_somebody_else_an_owner_before_leaving() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, moderators=[bob])
    before = (row(room), place(room, ada))

    with pytest.raises(SoleOwnerError):
        MemberService.leave(actor=ada, slug=room.slug)
    assert (row(room), place(room, ada)) == before

    MemberService.set_role(actor=ada, slug=room.slug, user_id=bob.pk, role=RoomRole.OWNER)
    MemberService.leave(actor=ada, slug=room.slug)
    assert list(Membership.objects.standing().values_list("user_id", "role")) == [(bob.pk, RoomRole.OWNER)]


@pytest.mark.django_db
def test_a_stranger_cannot_tell_a_private_room_by_leaving_it_and_a_banned_one_is_told() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, private=True, members=[bob])
    MemberService.ban(actor=ada, slug=room.slug, user_id=bob.pk)

    with pytest.raises(NotFoundError):
        MemberService.leave(actor=UserFactory.create(), slug=room.slug)
    with pytest.raises(BannedError):
        MemberService.leave(actor=bob, slug=room.slug)


@pytest.mark.django_db(transaction=True)
def test_of_two_owners_who_leave_at_once_one_stays() -> None:
    for number in range(10):
        owners = UserFactory.create_batch(2)
        room = open_room(owners[0], f"room-{number}", members=owners[1:])
        MemberService.set_role(actor=owners[0], slug=room.slug, user_id=owners[1].pk, role=RoomRole.OWNER)

        def leave(which: int, owners: list[Any] = owners, slug: str = room.slug) -> str:
            return tried(lambda: MemberService.leave(actor=owners[which], slug=slug))

        assert sorted(at_once(2, leave)) == ["conflict", "done"]
        assert Membership.objects.standing().filter(room=room, role=RoomRole.OWNER).count() == 1
        assert is_whole(room)


@pytest.mark.django_db(transaction=True)
def test_of_two_owners_who_step_down_at_once_one_stays() -> None:
    for number in range(10):
        owners = UserFactory.create_batch(2)
        room = open_room(owners[0], f"room-{number}", members=owners[1:])
        MemberService.set_role(actor=owners[0], slug=room.slug, user_id=owners[1].pk, role=RoomRole.OWNER)

        def step_down(which: int, owners: list[Any] = owners, slug: str = room.slug) -> str:
            user_id = owners[which].pk
            return tried(
                lambda: MemberService.set_role(actor=owners[which], slug=slug, user_id=user_id, role=RoomRole.MEMBER)
            )

        assert sorted(at_once(2, step_down)) == ["conflict", "done"]
        assert Membership.objects.standing().filter(room=room, role=RoomRole.OWNER).count() == 1
