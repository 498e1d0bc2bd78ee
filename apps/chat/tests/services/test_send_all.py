from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.chat.exceptions import BannedError, MutedError, NotMemberError, RoomClosedError, UnfitError
from apps.chat.models import Message, Room
from apps.chat.selectors import ChangeSelector
from apps.chat.services import MemberService, MessageService, RoomService
from apps.chat.tests.support import history, is_whole, open_room
from apps.chat.types import Draft, Sent
from apps.common.exceptions import AppException, NotFoundError
from apps.common.tests.races import at_once
from apps.users.tests.factories import UserFactory


def sent(outcome: Sent | AppException) -> Sent:
    assert isinstance(outcome, Sent), outcome
    return outcome


@pytest.mark.django_db
def test_what_waits_is_stored_in_its_order_under_the_next_numbers() -> None:
    ada, bob = UserFactory.create(name="Ada"), UserFactory.create(name="Bob")
    room = open_room(ada, members=[bob])
    before = room.last_seq

    outcomes = MessageService.send_all(
        room_id=room.pk, drafts=[Draft(ada.pk, "One", "a"), Draft(bob.pk, "Two"), Draft(ada.pk, "Three", "b")]
    )

    assert [sent(outcome).seq for outcome in outcomes] == [before + 1, before + 2, before + 3]
    stored = Message.objects.filter(room=room).order_by("seq")
    assert list(stored.values_list("id", "seq", "author_id", "client_id", "text", "created_at")) == [
        (one.id, one.seq, author.pk, one.client_id, text, one.sent_at)
        for one, author, text in zip(map(sent, outcomes), (ada, bob, ada), ("One", "Two", "Three"), strict=True)
    ]
    assert is_whole(room)


@pytest.mark.django_db
def test_the_frame_that_is_pushed_is_the_one_that_is_replayed() -> None:
    ada = UserFactory.create(name="Ada", avatar="avatars/ada.webp")
    room = open_room(ada)

    one, two = (
        sent(outcome)
        for outcome in MessageService.send_all(
            room_id=room.pk, drafts=[Draft(ada.pk, "One", "a"), Draft(ada.pk, "Two")]
        )
    )

    assert one.frame == {
        "type": "message",
        "id": str(one.id),
        "seq": 2,
        "message": "One",
        "from": str(ada.pk),
        "author": {"id": str(ada.pk), "name": "Ada", "avatar": f"/api/v1/users/{ada.pk}/avatar/"},
        "client_id": "a",
        "sent_at": one.sent_at.isoformat().replace("+00:00", "Z"),
    }
    assert "client_id" not in two.frame
    assert ChangeSelector.after(room_id=room.pk, seq=1, limit=10) == [one.frame, two.frame]


@pytest.mark.django_db
def test_each_draft_is_judged_by_itself_and_no_number_is_lost() -> None:
    ada, muted, banned, gone = (UserFactory.create() for _ in range(4))
    room = open_room(ada, members=[muted, banned, gone])
    until = timezone.now() + timedelta(hours=1)
    MemberService.mute(actor=ada, slug=room.slug, user_id=muted.pk, until=until)
    MemberService.ban(actor=ada, slug=room.slug, user_id=banned.pk)
    MemberService.leave(actor=gone, slug=room.slug)
    before = Room.objects.get(pk=room.pk).last_seq

    outcomes = MessageService.send_all(
        room_id=room.pk,
        drafts=[
            Draft(muted.pk, "Muted"),
            Draft(ada.pk, "One"),
            Draft(banned.pk, "Banned"),
            Draft(gone.pk, "Gone"),
            Draft(uuid4(), "Stranger"),
            Draft(ada.pk, "x" * 4_001),
            Draft(ada.pk, " \n"),
            Draft(ada.pk, "NUL\x00"),
            Draft(ada.pk, "Half \ud83d"),
            Draft(ada.pk, "Long id", "x" * 65),
            Draft(ada.pk, "Two"),
        ],
    )

    assert [type(outcome) for outcome in outcomes] == [
        *(MutedError, Sent, BannedError, NotMemberError, NotMemberError),
        *(UnfitError, UnfitError, UnfitError, UnfitError, UnfitError, Sent),
    ]
    assert [outcome.seq for outcome in outcomes if isinstance(outcome, Sent)] == [before + 1, before + 2]
    assert Room.objects.get(pk=room.pk).last_seq == before + 2
    assert is_whole(room)


@pytest.mark.django_db
def test_what_is_refused_whole_leaves_the_room_as_it_was() -> None:
    ada = UserFactory.create()
    room = open_room(ada)
    RoomService.update(actor=ada, slug=room.slug, changes={"closed": True})
    before = history(room)

    (closed,) = MessageService.send_all(room_id=room.pk, drafts=[Draft(ada.pk, "One")])
    RoomService.delete(actor=ada, slug=room.slug)
    (gone,) = MessageService.send_all(room_id=room.pk, drafts=[Draft(ada.pk, "One")])

    assert isinstance(closed, RoomClosedError)
    assert isinstance(gone, NotFoundError)
    assert history(room) == before
    assert is_whole(room)


@pytest.mark.django_db
def test_a_client_id_makes_one_message_however_often_it_is_sent() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, members=[bob])

    first, twin, foreign = map(
        sent,
        MessageService.send_all(
            room_id=room.pk, drafts=[Draft(ada.pk, "One", "a"), Draft(ada.pk, "Other", "a"), Draft(bob.pk, "His", "a")]
        ),
    )
    (again,) = map(sent, MessageService.send_all(room_id=room.pk, drafts=[Draft(ada.pk, "Third", "a")]))

    assert (first.repeated, twin.repeated, foreign.repeated, again.repeated) == (False, True, False, True)
    assert {(one.id, one.seq, one.sent_at) for one in (first, twin, again)} == {(first.id, first.seq, first.sent_at)}
    assert again.frame == first.frame
    assert Message.objects.count() == 2
    assert is_whole(room)


@pytest.mark.django_db
def test_what_was_stored_is_told_to_whoever_asks_again_though_he_is_muted_or_the_room_closed_by_now() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, members=[bob])
    (first,) = map(sent, MessageService.send_all(room_id=room.pk, drafts=[Draft(bob.pk, "One", "a")]))
    MemberService.mute(actor=ada, slug=room.slug, user_id=bob.pk, until=timezone.now() + timedelta(hours=1))
    RoomService.update(actor=ada, slug=room.slug, changes={"closed": True})

    (again,) = map(sent, MessageService.send_all(room_id=room.pk, drafts=[Draft(bob.pk, "One", "a")]))

    assert (again.id, again.repeated) == (first.id, True)


@pytest.mark.django_db
def test_nothing_that_waits_is_nothing_to_do() -> None:
    assert MessageService.send_all(room_id=uuid4(), drafts=[]) == []


@pytest.mark.django_db
@pytest.mark.parametrize("count", [1, 50])
def test_one_message_and_fifty_are_the_same_two_statements(count: int) -> None:
    people = UserFactory.create_batch(5)
    room = open_room(people[0], members=people[1:])
    drafts = [Draft(people[number % 5].pk, "Hello", f"id-{number}") for number in range(count)]

    with CaptureQueriesContext(connection) as captured:
        MessageService.send_all(room_id=room.pk, drafts=drafts)

    words = [query["sql"].split()[0] for query in captured]
    assert words == ["SAVEPOINT", "UPDATE", "INSERT", "RELEASE"]


@pytest.mark.django_db(transaction=True)
def test_ten_senders_with_a_hundred_messages_each_leave_no_gap_and_no_double() -> None:
    people = UserFactory.create_batch(10)
    room = open_room(people[0], members=people[1:])
    before = room.last_seq

    def send(number: int) -> list[int]:
        seqs = []
        for count in range(100):
            (outcome,) = MessageService.send_all(room_id=room.pk, drafts=[Draft(people[number].pk, f"{count}")])
            seqs.append(sent(outcome).seq)
        return seqs

    numbers = at_once(10, send)

    assert sorted(seq for seqs in numbers for seq in seqs) == list(range(before + 1, before + 1_001))
    assert all(seqs == sorted(seqs) for seqs in numbers)
    assert is_whole(room)


@pytest.mark.django_db(transaction=True)
def test_of_parallel_tries_of_one_message_one_is_stored() -> None:
    ada = UserFactory.create()
    room = open_room(ada)

    outcomes = at_once(
        20, lambda _: sent(MessageService.send_all(room_id=room.pk, drafts=[Draft(ada.pk, "One", "a")])[0])
    )

    assert len({(outcome.id, outcome.seq) for outcome in outcomes}) == 1
    assert sum(not outcome.repeated for outcome in outcomes) == 1
    assert Message.objects.count() == 1
    assert is_whole(room)
