import pytest

from apps.chat.enums import InvitationState, RoomRole
from apps.chat.exceptions import BannedError, ClosedAccountError
from apps.chat.models import Invitation, Membership
from apps.chat.services import InvitationService, MemberService, RoomService
from apps.chat.tests.support import is_whole, member_frames, open_room, place, row, say, tried
from apps.common.exceptions import ForbiddenError, NotFoundError
from apps.common.tests.races import at_once
from apps.users.services import UserService
from apps.users.tests.factories import AdminFactory, UserFactory


@pytest.mark.django_db
def test_whoever_joins_has_read_all_that_was_before() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada)
    say(ada)

    joined = MemberService.join(actor=bob, slug=room.slug)

    assert (vars(joined)["my_role"], vars(joined)["unread"]) == ("member", 0)
    assert Membership.objects.get(user_id=bob.pk).last_read_seq == 3


@pytest.mark.django_db
def test_a_member_stays_what_he_is() -> None:
    ada = UserFactory.create()
    room = open_room(ada)
    before = (row(room), place(room, ada))

    assert vars(MemberService.join(actor=ada, slug=room.slug))["my_role"] == "owner"

    assert (row(room), place(room, ada)) == before


@pytest.mark.django_db
def test_whoever_left_comes_back_as_a_member() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, moderators=[bob])
    MemberService.leave(actor=bob, slug=room.slug)

    MemberService.join(actor=bob, slug=room.slug)

    assert Membership.objects.get(user_id=bob.pk).role == RoomRole.MEMBER
    assert [frame for frame in member_frames(room) if frame[0] == str(bob.pk)] == [
        (str(bob.pk), "joined", "moderator"),
        (str(bob.pk), "left", "member"),
        (str(bob.pk), "joined", "member"),
    ]
    assert is_whole(room)


@pytest.mark.django_db
def test_a_private_room_is_joined_by_nobody() -> None:
    room = open_room(UserFactory.create(), private=True)

    with pytest.raises(NotFoundError):
        MemberService.join(actor=UserFactory.create(), slug=room.slug)
    with pytest.raises(ForbiddenError):
        MemberService.join(actor=AdminFactory.create(), slug=room.slug)

    assert Membership.objects.count() == 1


@pytest.mark.django_db
def test_whoever_is_banned_does_not_join_whatever_his_role_over_all_rooms() -> None:
    ada, bob, admin = UserFactory.create(), UserFactory.create(), AdminFactory.create()
    room = open_room(ada, members=[bob, admin])
    for user in (bob, admin):
        MemberService.ban(actor=ada, slug=room.slug, user_id=user.pk)
    before = row(room)

    for user in (bob, admin):
        with pytest.raises(BannedError):
            MemberService.join(actor=user, slug=room.slug)

    assert row(room) == before


@pytest.mark.django_db
def test_a_closed_room_can_still_be_joined_to_be_read() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada)
    RoomService.update(actor=ada, slug=room.slug, changes={"closed": True})

    assert vars(MemberService.join(actor=bob, slug=room.slug))["my_role"] == "member"


@pytest.mark.django_db
def test_a_closed_account_joins_nothing() -> None:
    bob = UserFactory.create()
    room = open_room(UserFactory.create())
    UserService.deactivate(actor=AdminFactory.create(), user_id=bob.pk)

    with pytest.raises(ClosedAccountError):
        MemberService.join(actor=bob, slug=room.slug)

    assert Membership.objects.count() == 1


@pytest.mark.django_db
def test_joining_answers_an_invitation() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada)
    InvitationService.invite(actor=ada, slug=room.slug, email=bob.email)

    MemberService.join(actor=bob, slug=room.slug)

    assert Invitation.objects.get().state == InvitationState.ACCEPTED


@pytest.mark.django_db(transaction=True)
def test_those_who_join_and_leave_and_write_at_once_leave_no_gap() -> None:
    ada = UserFactory.create()
    people = UserFactory.create_batch(12)
    room = open_room(ada, members=people[:6])
    messages = [say(ada).id for _ in range(6)]

    def act(number: int) -> None:
        for _ in range(5):
            if number % 3 == 0:
                MemberService.join(actor=people[number], slug=room.slug)
                MemberService.leave(actor=people[number], slug=room.slug)
            elif number % 3 == 1:
                MemberService.join(actor=people[number], slug=room.slug)
                say(people[number])
            else:
                tried(lambda: say(ada, client_id=f"same-{number}"))
                tried(lambda: MemberService.join(actor=people[0], slug=room.slug))

    at_once(12, act)

    assert len(messages) == 6
    assert is_whole(room)


@pytest.mark.django_db(transaction=True)
def test_whoever_joins_many_times_at_once_joins_once() -> None:
    bob = UserFactory.create()
    room = open_room(UserFactory.create())

    at_once(10, lambda _: MemberService.join(actor=bob, slug=room.slug))

    assert member_frames(room).count((str(bob.pk), "joined", "member")) == 1
    assert is_whole(room)
