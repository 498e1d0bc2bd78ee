import pytest

from apps.chat.enums import RoomRole
from apps.chat.models import Membership
from apps.chat.services import MemberService
from apps.chat.tests.support import is_whole, member_frames, open_room, place, row
from apps.common.exceptions import ForbiddenError, NotFoundError
from apps.users.tests.factories import AdminFactory, UserFactory


@pytest.mark.django_db
def test_a_moderator_removes_a_member_who_may_come_back() -> None:
    ada, moderator, bob = UserFactory.create_batch(3)
    room = open_room(ada, moderators=[moderator], members=[bob])

    MemberService.remove(actor=moderator, slug=room.slug, user_id=bob.pk)

    assert not Membership.objects.standing().filter(user_id=bob.pk).exists()
    assert member_frames(room)[-1] == (str(bob.pk), "removed", "member")
    assert vars(MemberService.join(actor=bob, slug=room.slug))["my_role"] == "member"
    assert is_whole(room)


@pytest.mark.django_db
def test_nobody_removes_his_like_or_who_stands_above_him() -> None:
    ada, other_owner, moderator, other, member, bob = UserFactory.create_batch(6)
    room = open_room(ada, moderators=[moderator, other], members=[other_owner, member, bob])
    MemberService.set_role(actor=ada, slug=room.slug, user_id=other_owner.pk, role=RoomRole.OWNER)
    before = (row(room), list(Membership.objects.order_by("id").values()))

    for actor, user in ((moderator, other), (moderator, ada), (member, bob), (ada, other_owner)):
        with pytest.raises(ForbiddenError):
            MemberService.remove(actor=actor, slug=room.slug, user_id=user.pk)
    for actor in (UserFactory.create(), AdminFactory.create()):
        with pytest.raises(ForbiddenError):
            MemberService.remove(actor=actor, slug=room.slug, user_id=bob.pk)

    assert (row(room), list(Membership.objects.order_by("id").values())) == before


@pytest.mark.django_db
def test_whoever_is_not_in_the_room_cannot_be_removed() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, members=[bob])
    MemberService.leave(actor=bob, slug=room.slug)
    before = (row(room), place(room, bob))

    for user in (bob, UserFactory.create()):
        with pytest.raises(NotFoundError):
            MemberService.remove(actor=ada, slug=room.slug, user_id=user.pk)

    assert (row(room), place(room, bob)) == before


@pytest.mark.django_db
def test_to_remove_oneself_is_to_leave() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, members=[bob])

    MemberService.remove(actor=bob, slug=room.slug, user_id=bob.pk)

    assert member_frames(room)[-1] == (str(bob.pk), "left", "member")
