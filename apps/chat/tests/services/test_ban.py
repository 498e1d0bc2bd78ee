from typing import Any

import pytest

from apps.chat.enums import InvitationState, RoomRole
from apps.chat.exceptions import BannedError, InvitationAnsweredError
from apps.chat.models import Invitation, Membership, Message
from apps.chat.selectors import MemberSelector
from apps.chat.services import InvitationService, MemberService
from apps.chat.tests.support import history, is_whole, member_frames, open_room, place, row, say, tried
from apps.common.exceptions import ForbiddenError, NotFoundError
from apps.common.tests.races import at_once
from apps.users.tests.factories import AdminFactory, UserFactory


@pytest.mark.django_db
def test_whoever_is_banned_is_out_and_stays_out() -> None:
    ada, moderator, bob = UserFactory.create_batch(3)
    room = open_room(ada, moderators=[moderator], members=[bob])

    for _ in range(2):
        MemberService.ban(actor=moderator, slug=room.slug, user_id=bob.pk)

    assert MemberSelector.standing(room_id=room.pk, user_ids=[ada.pk, bob.pk]) == {ada.pk}
    assert member_frames(room)[-1] == (str(bob.pk), "banned", "member")
    assert len(member_frames(room)) == 4
    for call in (
        lambda: say(bob),
        lambda: MemberService.join(actor=bob, slug=room.slug),
        lambda: MemberService.leave(actor=bob, slug=room.slug),
    ):
        with pytest.raises(BannedError):
            call()
    assert is_whole(room)


@pytest.mark.django_db
def test_whoever_has_left_can_be_banned_too_and_whoever_was_never_there_is_not_found() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, members=[bob])
    MemberService.leave(actor=bob, slug=room.slug)

    MemberService.ban(actor=ada, slug=room.slug, user_id=bob.pk)

    with pytest.raises(BannedError):
        MemberService.join(actor=bob, slug=room.slug)
    with pytest.raises(NotFoundError):
        MemberService.ban(actor=ada, slug=room.slug, user_id=UserFactory.create().pk)
    with pytest.raises(NotFoundError):
        MemberService.unban(actor=ada, slug=room.slug, user_id=UserFactory.create().pk)


@pytest.mark.django_db
def test_whoever_is_banned_no_more_comes_back_as_others_do() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, members=[bob])
    MemberService.ban(actor=ada, slug=room.slug, user_id=bob.pk)

    for _ in range(2):
        MemberService.unban(actor=ada, slug=room.slug, user_id=bob.pk)

    assert MemberSelector.standing(room_id=room.pk, user_ids=[bob.pk]) == set()
    assert member_frames(room)[-1] == (str(bob.pk), "unbanned", "member")
    assert len(member_frames(room)) == 4
    MemberService.join(actor=bob, slug=room.slug)
    assert MemberSelector.standing(room_id=room.pk, user_ids=[bob.pk]) == {bob.pk}


@pytest.mark.django_db
def test_an_invitation_from_before_leads_nowhere() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, private=True, members=[bob])
    MemberService.leave(actor=bob, slug=room.slug)
    InvitationService.invite(actor=ada, slug=room.slug, email=bob.email)
    MemberService.ban(actor=ada, slug=room.slug, user_id=bob.pk)
    invitation = Invitation.objects.get()

    with pytest.raises(BannedError):
        InvitationService.accept(actor=bob, invitation_id=invitation.pk)
    MemberService.unban(actor=ada, slug=room.slug, user_id=bob.pk)
    with pytest.raises(InvitationAnsweredError):
        InvitationService.accept(actor=bob, invitation_id=invitation.pk)

    assert invitation.state == InvitationState.DECLINED


@pytest.mark.django_db
def test_nobody_bans_his_like_or_who_stands_above_him() -> None:
    ada, moderator, other, member = UserFactory.create_batch(4)
    room = open_room(ada, moderators=[moderator, other], members=[member])
    before = (row(room), list(Membership.objects.order_by("id").values()))

    for actor, user in (
        *((moderator, ada), (moderator, other), (moderator, moderator), (ada, ada)),
        *((member, moderator), (UserFactory.create(), member), (AdminFactory.create(), member)),
    ):
        with pytest.raises(ForbiddenError):
            MemberService.ban(actor=actor, slug=room.slug, user_id=user.pk)

    assert (row(room), list(Membership.objects.order_by("id").values())) == before


@pytest.mark.django_db
def test_only_a_moderator_lets_come_back() -> None:
    ada, member, bob = UserFactory.create_batch(3)
    room = open_room(ada, members=[member, bob])
    MemberService.ban(actor=ada, slug=room.slug, user_id=bob.pk)
    before = place(room, bob)

    for actor in (member, UserFactory.create(), AdminFactory.create()):
        with pytest.raises(ForbiddenError):
            MemberService.unban(actor=actor, slug=room.slug, user_id=bob.pk)
    with pytest.raises(BannedError):
        MemberService.unban(actor=bob, slug=room.slug, user_id=bob.pk)

    assert place(room, bob) == before


@pytest.mark.django_db
def test_a_moderator_who_is_banned_is_none_any_more() -> None:
    ada, moderator = UserFactory.create(), UserFactory.create()
    room = open_room(ada, moderators=[moderator])

    MemberService.ban(actor=ada, slug=room.slug, user_id=moderator.pk)
    MemberService.unban(actor=ada, slug=room.slug, user_id=moderator.pk)
    MemberService.join(actor=moderator, slug=room.slug)

    assert Membership.objects.get(user_id=moderator.pk).role == RoomRole.MEMBER


@pytest.mark.django_db(transaction=True)
def test_nothing_is_said_after_the_ban_that_comes_beside_it() -> None:
    for number in range(10):
        ada, bob = UserFactory.create(), UserFactory.create()
        room = open_room(ada, f"room-{number}", members=[bob])

        def act(which: int, slug: str = room.slug, ada: Any = ada, bob: Any = bob) -> str:
            if which == 0:
                return tried(lambda: MemberService.ban(actor=ada, slug=slug, user_id=bob.pk))
            return tried(lambda: say(bob, slug))

        banned, *said = at_once(4, act)

        assert banned == "done"
        assert set(said) <= {"done", "forbidden"}
        (banned_at,) = [frame["seq"] for frame in history(room) if frame.get("change") == "banned"]
        numbers = Message.objects.filter(room=room).values_list("seq", flat=True)
        assert len(numbers) == said.count("done")
        assert all(seq < banned_at for seq in numbers)
        assert is_whole(room)
