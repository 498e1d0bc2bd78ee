from collections.abc import Callable

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import ProtectedError
from django.utils import timezone

from apps.chat.models import Change, Invitation, Membership, Message, Room
from apps.chat.services import RoomService
from apps.chat.tests.support import open_room, say
from apps.common.tests.races import at_once
from apps.users.tests.factories import UserFactory


@pytest.mark.django_db
@pytest.mark.parametrize("slug", ["", "Lamps", "a b", "ä", "a.b", "lamps\n", "x" * 65])
def test_no_room_has_another_slug_whoever_writes_it(slug: str) -> None:
    with pytest.raises(DatabaseError, match=r"rooms_slug_shape|too long"), transaction.atomic():
        Room.objects.create(slug=slug, name="Lamps")

    assert not Room.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("slug", ["a", "0", "-", "_", "x" * 64, "lamps-and_lanterns-2"])
def test_these_are_slugs(slug: str) -> None:
    assert Room.objects.create(slug=slug, name="Lamps").slug == slug


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("constraint", "write"),
    [
        ("rooms_slug_unique", lambda room: Room.objects.create(slug=room.slug, name="Lamps")),
        ("rooms_visibility_known", lambda _: Room.objects.update(visibility="secret")),
        ("rooms_deleted_is_empty", lambda _: Room.objects.update(deleted_at=timezone.now())),
        ("last_seq", lambda _: Room.objects.update(last_seq=-1)),
        (
            "memberships_unique",
            lambda room: Membership.objects.create(room=room, user_id=Membership.objects.get().user_id),
        ),
        ("memberships_role_known", lambda _: Membership.objects.update(role="king")),
        ("memberships_gone_is_member", lambda _: Membership.objects.update(left_at=timezone.now())),
        ("memberships_gone_is_member", lambda _: Membership.objects.update(banned_at=timezone.now())),
        ("invitations_state_known", lambda _: Invitation.objects.update(state="lost")),
        (
            "invitations_unique",
            lambda room: Invitation.objects.create(
                room=room, inviter_id=room.pk, invitee_id=Invitation.objects.get().invitee_id
            ),
        ),
        ("messages_seq_unique", lambda room: Message.objects.create(room=room, seq=2, text="Twice")),
        (
            "messages_client_id_unique",
            lambda room: Message.objects.create(
                room=room, seq=9, text="Twice", client_id="a", author_id=Message.objects.get().author_id
            ),
        ),
        ("messages_deleted_is_empty", lambda _: Message.objects.update(deleted_at=timezone.now())),
        ("room_changes_seq_unique", lambda room: Change.objects.create(room=room, seq=1, kind="member")),
        ("room_changes_kind_known", lambda _: Change.objects.update(kind="other")),
    ],
)
def test_the_database_itself_refuses_what_cannot_be(constraint: str, write: Callable[[Room], object]) -> None:
    ada = UserFactory.create()
    room = open_room(ada)
    say(ada, client_id="a")
    Invitation.objects.create(room=room, inviter_id=ada.pk, invitee_id=UserFactory.create().pk)

    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        write(room)


@pytest.mark.django_db
def test_messages_without_a_client_id_are_as_many_as_are_sent() -> None:
    ada = UserFactory.create()
    open_room(ada)

    assert [say(ada).seq for _ in range(3)] == [2, 3, 4]


@pytest.mark.django_db
def test_an_account_that_was_in_a_room_is_erased_and_not_deleted() -> None:
    ada = UserFactory.create()
    open_room(ada)

    with pytest.raises(ProtectedError):
        ada.delete()

    ada.refresh_from_db()


@pytest.mark.django_db(transaction=True)
def test_a_message_does_not_wait_for_whoever_changes_its_authors_account() -> None:
    ada = UserFactory.create()
    open_room(ada)

    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM users WHERE id = %s FOR UPDATE", [ada.pk])
        (sent,) = at_once(1, lambda _: say(ada))

    assert sent.seq == 2


@pytest.mark.django_db
def test_rows_name_themselves() -> None:
    ada = UserFactory.create()
    room = open_room(ada)
    message = say(ada)
    invitation = Invitation.objects.create(room=room, inviter_id=ada.pk, invitee_id=None)
    RoomService.announce(actor=ada, slug=room.slug, text="Soon")

    rows = [room, Membership.objects.get(), Message.objects.get(), Change.objects.get(), invitation]
    assert [str(one) for one in rows] == [
        "lamps",
        f"{ada.pk} in {room.pk}",
        f"{message.seq} in {room.pk}",
        f"member 1 in {room.pk}",
        f"of None to {room.pk}",
    ]
