from typing import Any

import pytest

from apps.chat.enums import RoomRole
from apps.chat.exceptions import ClosedAccountError, SoleOwnerError
from apps.chat.models import Membership
from apps.chat.services import MemberService
from apps.chat.tests.support import is_whole, member_frames, open_room, place, row, tried
from apps.common.exceptions import ForbiddenError, NotFoundError
from apps.common.tests.races import at_once
from apps.users.services import UserService
from apps.users.tests.factories import AdminFactory, UserFactory


@pytest.mark.django_db
def test_an_owner_makes_moderators_owners_and_members() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, members=[bob])

    for role in (RoomRole.MODERATOR, RoomRole.OWNER, RoomRole.MEMBER):
        assert MemberService.set_role(actor=ada, slug=room.slug, user_id=bob.pk, role=role).role == role
        assert Membership.objects.get(user_id=bob.pk).role == role
        assert member_frames(room)[-1] == (str(bob.pk), "role", role)

    assert is_whole(room)


@pytest.mark.django_db
def test_the_role_that_somebody_has_takes_no_number() -> None:
    ada = UserFactory.create()
    room = open_room(ada)
    before = (row(room), place(room, ada))

    MemberService.set_role(actor=ada, slug=room.slug, user_id=ada.pk, role=RoomRole.OWNER)

    assert (row(room), place(room, ada)) == before


@pytest.mark.django_db
def test_a_sole_owner_stays_one() -> None:
    ada = UserFactory.create()
    room = open_room(ada, moderators=[UserFactory.create()])
    before = (row(room), place(room, ada))

    with pytest.raises(SoleOwnerError):
        MemberService.set_role(actor=ada, slug=room.slug, user_id=ada.pk, role=RoomRole.MEMBER)

    assert (row(room), place(room, ada)) == before


@pytest.mark.django_db
def test_nobody_promotes_himself_or_others_without_owning_the_room() -> None:
    ada, moderator, member = UserFactory.create_batch(3)
    room = open_room(ada, moderators=[moderator], members=[member])
    before = list(Membership.objects.order_by("id").values())

    for actor in (moderator, member, UserFactory.create(), AdminFactory.create()):
        for user in (actor, member):
            with pytest.raises(ForbiddenError):
                MemberService.set_role(actor=actor, slug=room.slug, user_id=user.pk, role=RoomRole.OWNER)

    assert list(Membership.objects.order_by("id").values()) == before


@pytest.mark.django_db
def test_only_a_member_gets_a_role() -> None:
    ada, left, banned = UserFactory.create_batch(3)
    room = open_room(ada, members=[left, banned])
    MemberService.leave(actor=left, slug=room.slug)
    MemberService.ban(actor=ada, slug=room.slug, user_id=banned.pk)

    for user in (left, banned, UserFactory.create()):
        with pytest.raises(NotFoundError):
            MemberService.set_role(actor=ada, slug=room.slug, user_id=user.pk, role=RoomRole.MODERATOR)


@pytest.mark.django_db
def test_a_closed_account_is_made_no_owner() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, members=[bob])
    UserService.deactivate(actor=AdminFactory.create(), user_id=bob.pk)
    before = place(room, bob)

    with pytest.raises(ClosedAccountError):
        MemberService.set_role(actor=ada, slug=room.slug, user_id=bob.pk, role=RoomRole.OWNER)

    assert place(room, bob) == before


@pytest.mark.django_db(transaction=True)
def test_whoever_is_made_an_owner_while_his_account_is_closed_leaves_no_room_without_one() -> None:
    admin = AdminFactory.create()
    for number in range(10):
        ada, bob = UserFactory.create(), UserFactory.create()
        room = open_room(ada, f"room-{number}", members=[bob])

        def act(which: int, room_slug: str = room.slug, ada: Any = ada, bob: Any = bob) -> str:
            if which:
                return tried(lambda: UserService.deactivate(actor=admin, user_id=bob.pk))

            def hand_over() -> None:
                MemberService.set_role(actor=ada, slug=room_slug, user_id=bob.pk, role=RoomRole.OWNER)
                MemberService.leave(actor=ada, slug=room_slug)

            return tried(hand_over)

        at_once(2, act)

        owners = Membership.objects.standing().filter(room=room, role=RoomRole.OWNER, user__is_active=True)
        room.refresh_from_db()
        assert owners.exists() or room.closed_at is not None
        assert is_whole(room)
