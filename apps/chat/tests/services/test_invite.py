from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.chat.enums import InvitationState
from apps.chat.exceptions import BannedError, ClosedAccountError, InvitationAnsweredError
from apps.chat.models import Invitation, Membership
from apps.chat.selectors import InvitationSelector
from apps.chat.services import InvitationService, MemberService, RoomService
from apps.chat.tests.support import is_whole, member_frames, open_room, row, tried
from apps.common.exceptions import ForbiddenError, NotFoundError
from apps.common.tests.races import at_once
from apps.common.types import Actor
from apps.users.services import UserService
from apps.users.tests.factories import AdminFactory, UserFactory
from infrastructure.queue.models import OutboxRow


def _invited(room_slug: str = "lamps", *, private: bool = True) -> tuple[Any, Any, Invitation]:
    ada, bob = UserFactory.create(name="Ada"), UserFactory.create()
    open_room(ada, room_slug, private=private)
    InvitationService.invite(actor=ada, slug=room_slug, email=bob.email)
    return ada, bob, Invitation.objects.get(invitee_id=bob.pk)


@pytest.mark.django_db
def test_whoever_has_the_address_in_any_spelling_finds_the_invitation() -> None:
    ada, bob = UserFactory.create(name="Ada"), UserFactory.create()
    room = open_room(ada, private=True)

    InvitationService.invite(actor=ada, slug=room.slug, email=bob.email.upper())

    (found,) = InvitationSelector.open_listing(user_id=bob.pk)
    assert (found.room, found.inviter_id, found.host.name) == (room, ada.pk, "Ada")
    assert not InvitationSelector.open_listing(user_id=ada.pk).exists()


def _statements(email: str, actor: Actor) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        InvitationService.invite(actor=actor, slug="lamps", email=email)
    return [query["sql"].partition("VALUES")[0].partition("WHERE")[0] for query in captured]


@pytest.mark.django_db
def test_unknown_addresses_members_banned_and_invited_ones_are_the_same_work_and_as_many_rows() -> None:
    ada, member, banned, invited, free = UserFactory.create_batch(5)
    room = open_room(ada, members=[member, banned])
    MemberService.ban(actor=ada, slug=room.slug, user_id=banned.pk)
    InvitationService.invite(actor=ada, slug=room.slug, email=invited.email)
    addresses = [user.email for user in (free, member, banned, ada, invited)] + ["nobody@example.com"]

    statements = [_statements(email, ada) for email in addresses]

    assert all(one == statements[0] for one in statements)
    assert [sql.split()[0] for sql in statements[0]] == ["SELECT", "SELECT", "SELECT", "INSERT"]
    assert set(Invitation.objects.values_list("invitee_id", flat=True)) == {free.pk, invited.pk, None}
    assert Invitation.objects.count() == len(addresses)


@pytest.mark.django_db
def test_nobody_but_a_moderator_invites() -> None:
    ada, moderator, member = UserFactory.create_batch(3)
    room = open_room(ada, moderators=[moderator], members=[member])

    for actor in (member, UserFactory.create(), AdminFactory.create()):
        with pytest.raises(ForbiddenError):
            InvitationService.invite(actor=actor, slug=room.slug, email="bob@example.com")
    assert not Invitation.objects.exists()

    InvitationService.invite(actor=moderator, slug=room.slug, email="bob@example.com")
    assert Invitation.objects.count() == 1


@pytest.mark.django_db
def test_whoever_accepts_is_a_member_and_accepting_again_changes_nothing() -> None:
    ada, bob, invitation = _invited()

    rooms = [InvitationService.accept(actor=bob, invitation_id=invitation.pk) for _ in range(2)]

    assert [vars(room)["my_role"] for room in rooms] == ["member", "member"]
    assert member_frames(rooms[0]) == [(str(ada.pk), "joined", "owner"), (str(bob.pk), "joined", "member")]
    assert Invitation.objects.get().state == InvitationState.ACCEPTED
    assert not InvitationSelector.open_listing(user_id=bob.pk).exists()
    assert is_whole(rooms[0])


@pytest.mark.django_db
def test_whoever_declines_stays_out_until_he_is_invited_again() -> None:
    ada, bob, invitation = _invited()

    for _ in range(2):
        InvitationService.decline(actor=bob, invitation_id=invitation.pk)
    with pytest.raises(InvitationAnsweredError):
        InvitationService.accept(actor=bob, invitation_id=invitation.pk)
    assert Membership.objects.count() == 1

    InvitationService.invite(actor=ada, slug="lamps", email=bob.email)
    InvitationService.accept(actor=bob, invitation_id=invitation.pk)
    with pytest.raises(InvitationAnsweredError):
        InvitationService.decline(actor=bob, invitation_id=invitation.pk)
    assert Membership.objects.standing().count() == 2


@pytest.mark.django_db
def test_an_invitation_is_good_once_whoever_left_needs_another() -> None:
    _, bob, invitation = _invited()
    InvitationService.accept(actor=bob, invitation_id=invitation.pk)
    MemberService.leave(actor=bob, slug="lamps")

    with pytest.raises(InvitationAnsweredError):
        InvitationService.accept(actor=bob, invitation_id=invitation.pk)

    assert Membership.objects.standing().count() == 1


@pytest.mark.django_db
def test_nobody_answers_what_is_addressed_to_another() -> None:
    ada, _, invitation = _invited()
    blank = Invitation.objects.create(room_id=invitation.room_id, inviter_id=ada.pk, invitee_id=None)

    for actor in (ada, UserFactory.create(), AdminFactory.create()):
        for invitation_id in (invitation.pk, blank.pk, uuid4()):
            with pytest.raises(NotFoundError):
                InvitationService.accept(actor=actor, invitation_id=invitation_id)
            with pytest.raises(NotFoundError):
                InvitationService.decline(actor=actor, invitation_id=invitation_id)

    assert set(Invitation.objects.values_list("state", flat=True)) == {InvitationState.OPEN}
    assert Membership.objects.count() == 1


@pytest.mark.django_db
def test_the_invitation_into_a_deleted_room_is_gone() -> None:
    ada, bob, invitation = _invited()
    RoomService.delete(actor=ada, slug="lamps")

    with pytest.raises(NotFoundError):
        InvitationService.accept(actor=bob, invitation_id=invitation.pk)
    assert not InvitationSelector.open_listing(user_id=bob.pk).exists()


@pytest.mark.django_db
def test_a_closed_account_accepts_nothing_and_an_erased_one_has_no_invitation() -> None:
    _, bob, invitation = _invited()
    UserService.deactivate(actor=AdminFactory.create(), user_id=bob.pk)

    with pytest.raises(ClosedAccountError):
        InvitationService.accept(actor=bob, invitation_id=invitation.pk)

    assert Membership.objects.count() == 1


@pytest.mark.django_db
def test_whoever_is_banned_does_not_come_in_by_an_invitation() -> None:
    ada, bob, invitation = _invited()
    InvitationService.accept(actor=bob, invitation_id=invitation.pk)
    MemberService.ban(actor=ada, slug="lamps", user_id=bob.pk)

    with pytest.raises(BannedError):
        InvitationService.accept(actor=bob, invitation_id=invitation.pk)


@pytest.mark.django_db(transaction=True)
def test_of_accepting_and_declining_at_once_one_counts() -> None:
    for number in range(10):
        _, bob, invitation = _invited(f"room-{number}")

        def answer(which: int, bob: Any = bob, invitation: Invitation = invitation) -> str:
            if which:
                return tried(lambda: InvitationService.accept(actor=bob, invitation_id=invitation.pk))
            return tried(lambda: InvitationService.decline(actor=bob, invitation_id=invitation.pk))

        declined, accepted = at_once(2, answer)

        assert sorted([declined, accepted]) == ["conflict", "done"]
        state = Invitation.objects.get(pk=invitation.pk).state
        assert state == (InvitationState.ACCEPTED if accepted == "done" else InvitationState.DECLINED)
        members = Membership.objects.standing().filter(room_id=invitation.room_id).count()
        assert members == (2 if accepted == "done" else 1)


@pytest.mark.django_db(transaction=True)
def test_those_who_invite_one_at_once_make_one_invitation() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada)
    before = row(room)

    at_once(10, lambda _: InvitationService.invite(actor=ada, slug=room.slug, email=bob.email))

    assert Invitation.objects.count() == 1
    assert row(room) == before


@pytest.mark.django_db
def test_what_was_answered_or_led_nowhere_goes_after_a_month_and_an_open_one_stays() -> None:
    ada, bob, opened = _invited()
    cleo, dora = UserFactory.create(), UserFactory.create()
    for email in (cleo.email, dora.email, "nobody@example.com", "nobody.else@example.com"):
        InvitationService.invite(actor=ada, slug="lamps", email=email)
    declined = Invitation.objects.get(invitee_id=cleo.pk)
    InvitationService.decline(actor=cleo, invitation_id=declined.pk)
    recent = Invitation.objects.get(invitee_id=dora.pk)
    InvitationService.decline(actor=dora, invitation_id=recent.pk)
    month_ago = timezone.now() - timedelta(days=30)
    old = Invitation.objects.filter(invitee_id__in=[bob.pk, cleo.pk]) | Invitation.objects.filter(invitee_id=None)
    old.update(updated_at=month_ago)

    assert InvitationService.purge() == 3
    assert InvitationService.purge() == 0

    assert set(Invitation.objects.values_list("pk", flat=True)) == {opened.pk, recent.pk}


@pytest.mark.django_db
def test_what_is_more_than_a_batch_is_left_to_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.chat.services.invitations.PURGE_BATCH", 2)
    ada = UserFactory.create()
    room = open_room(ada)
    for _ in range(3):
        Invitation.objects.create(room=room, inviter_id=ada.pk)
    Invitation.objects.update(updated_at=timezone.now() - timedelta(days=31))

    assert InvitationService.purge() == 2
    assert OutboxRow.objects.filter(name="chat.clean_invitations").count() == 1
    assert InvitationService.purge() == 1
    assert OutboxRow.objects.filter(name="chat.clean_invitations").count() == 1
