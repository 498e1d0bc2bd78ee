from datetime import timedelta

import pytest
from django.utils import timezone

from apps.chat.enums import RoomRole
from apps.chat.exceptions import MutedError
from apps.chat.models import Membership
from apps.chat.services import MemberService, MessageService
from apps.chat.tests.support import history, is_whole, open_room, place, row, say
from apps.common.exceptions import ForbiddenError, InvalidInputError, NotFoundError
from apps.users.enums import AuditAction
from apps.users.selectors import AuditSelector
from apps.users.tests.factories import AdminFactory, ModeratorFactory, UserFactory

SOON = timedelta(hours=1)


@pytest.mark.django_db
def test_whoever_is_muted_says_nothing_until_then_and_edits_nothing() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, members=[bob])
    message = say(bob)
    until = timezone.now() + SOON

    MemberService.mute(actor=ada, slug=room.slug, user_id=bob.pk, until=until)

    with pytest.raises(MutedError):
        say(bob)
    with pytest.raises(MutedError):
        MessageService.edit(actor=bob, slug=room.slug, message_id=message.id, text="Other")
    assert history(room)[-1] == {
        "type": "member",
        "seq": 4,
        "user": {"id": str(bob.pk), "name": bob.name, "avatar": None},
        "change": "muted",
        "role": "member",
        "muted_until": until.isoformat().replace("+00:00", "Z"),
    }
    Membership.objects.filter(user_id=bob.pk).update(muted_until=timezone.now())
    assert say(bob).seq == 5


@pytest.mark.django_db
def test_leaving_and_coming_back_does_not_shake_it_off() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, members=[bob])
    MemberService.mute(actor=ada, slug=room.slug, user_id=bob.pk, until=timezone.now() + SOON)

    MemberService.leave(actor=bob, slug=room.slug)
    MemberService.join(actor=bob, slug=room.slug)

    with pytest.raises(MutedError):
        say(bob)


@pytest.mark.django_db
def test_whoever_has_left_can_be_muted_too() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, members=[bob])
    MemberService.leave(actor=bob, slug=room.slug)

    MemberService.mute(actor=ada, slug=room.slug, user_id=bob.pk, until=timezone.now() + SOON)

    MemberService.join(actor=bob, slug=room.slug)
    with pytest.raises(MutedError):
        say(bob)


@pytest.mark.django_db
def test_null_lets_speak_again_and_what_is_so_already_takes_no_number() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, members=[bob])
    until = timezone.now() + SOON

    for _ in range(2):
        MemberService.mute(actor=ada, slug=room.slug, user_id=bob.pk, until=until)
    for _ in range(2):
        MemberService.mute(actor=ada, slug=room.slug, user_id=bob.pk, until=None)

    changes = [(frame["change"], frame["muted_until"] is None) for frame in history(room)[2:]]
    assert changes == [("muted", False), ("unmuted", True)]
    assert say(bob).seq == 5
    assert is_whole(room)


@pytest.mark.django_db
def test_a_time_that_is_over_mutes_nobody() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, members=[bob])
    before = (row(room), place(room, bob))

    with pytest.raises(InvalidInputError) as refused:
        MemberService.mute(actor=ada, slug=room.slug, user_id=bob.pk, until=timezone.now())

    assert [(error.field, error.code) for error in refused.value.errors] == [("until", "past")]
    assert (row(room), place(room, bob)) == before


@pytest.mark.django_db
def test_nobody_mutes_his_like_or_who_stands_above_him() -> None:
    ada, moderator, other, member = UserFactory.create_batch(4)
    room = open_room(ada, moderators=[moderator, other], members=[member])
    before = list(Membership.objects.order_by("id").values())

    for actor, user in (
        *((moderator, ada), (moderator, other), (moderator, moderator)),
        *((member, moderator), (member, member), (UserFactory.create(), member)),
    ):
        with pytest.raises(ForbiddenError):
            MemberService.mute(actor=actor, slug=room.slug, user_id=user.pk, until=timezone.now() + SOON)

    assert list(Membership.objects.order_by("id").values()) == before


@pytest.mark.django_db
def test_whoever_was_never_there_is_not_found() -> None:
    ada = UserFactory.create()
    room = open_room(ada)

    with pytest.raises(NotFoundError):
        MemberService.mute(actor=ada, slug=room.slug, user_id=UserFactory.create().pk, until=None)


@pytest.mark.django_db
@pytest.mark.parametrize("factory", [ModeratorFactory, AdminFactory])
@pytest.mark.parametrize("private", [True, False])
def test_whoever_oversees_all_rooms_mutes_anybody_in_any_which_is_written_down_once(
    factory: type[UserFactory], *, private: bool
) -> None:
    overseer, ada = factory.create(), UserFactory.create()
    room = open_room(ada, private=private)
    until = timezone.now() + SOON

    for _ in range(2):
        MemberService.mute(actor=overseer, slug=room.slug, user_id=ada.pk, until=until)

    assert Membership.objects.get(user_id=ada.pk).muted_until == until
    assert Membership.objects.get(user_id=ada.pk).role == RoomRole.OWNER
    entry = AuditSelector.listing().get(action=AuditAction.MEMBER_MUTED)
    assert (entry.actor_id, entry.account_id, entry.details) == (overseer.pk, ada.pk, {"room_id": str(room.pk)})


@pytest.mark.django_db
def test_an_overseer_who_moderates_the_room_mutes_as_its_moderator() -> None:
    admin, bob = AdminFactory.create(), UserFactory.create()
    room = open_room(admin, members=[bob])

    MemberService.mute(actor=admin, slug=room.slug, user_id=bob.pk, until=timezone.now() + SOON)

    assert not AuditSelector.listing().filter(action=AuditAction.MEMBER_MUTED).exists()
