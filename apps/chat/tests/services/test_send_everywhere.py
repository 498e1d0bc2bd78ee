from threading import Event, Thread

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from apps.chat.exceptions import NotMemberError
from apps.chat.models import Message, Room
from apps.chat.services import MessageService
from apps.chat.services.turns import hold_room
from apps.chat.tests.support import is_whole, open_room
from apps.chat.types import Draft, Sent
from apps.common.exceptions import NotFoundError
from apps.common.tests.races import at_once
from apps.users.tests.factories import UserFactory


@pytest.mark.django_db
def test_what_waits_in_several_rooms_is_stored_in_the_order_of_each_and_answered_in_that_of_all() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    lamps, tides = open_room(ada, "lamps", members=[bob]), open_room(ada, "tides")
    drafts = [
        (lamps.pk, Draft(ada.pk, "One")),
        (tides.pk, Draft(ada.pk, "Two", "c")),
        (lamps.pk, Draft(bob.pk, "Three", "c")),
        (tides.pk, Draft(bob.pk, "Not here")),
        (tides.pk, Draft(ada.pk, "Two again", "c")),
        (lamps.pk, Draft(ada.pk, "Four", "c")),
    ]

    outcomes = MessageService.send_everywhere(drafts=drafts)

    seqs = [outcome.seq if isinstance(outcome, Sent) else type(outcome) for outcome in outcomes]
    first, other = lamps.last_seq + 1, tides.last_seq + 1
    assert seqs == [first, other, first + 1, NotMemberError, other, first + 2]
    texts = dict(Message.objects.values_list("seq", "text").filter(room=lamps))
    assert texts == {first: "One", first + 1: "Three", first + 2: "Four"}
    assert [message.text for message in Message.objects.filter(room=tides)] == ["Two"]
    assert is_whole(lamps)
    assert is_whole(tides)


@pytest.mark.django_db
@pytest.mark.parametrize("rooms", [2, 30])
def test_many_rooms_are_as_many_statements_as_few(rooms: int) -> None:
    ada = UserFactory.create()
    opened = [open_room(ada, f"room-{number}") for number in range(rooms)]

    with CaptureQueriesContext(connection) as captured:
        MessageService.send_everywhere(drafts=[(room.pk, Draft(ada.pk, "Hello")) for room in opened])

    assert [query["sql"].split()[0] for query in captured] == ["SAVEPOINT", "WITH", "INSERT", "RELEASE"]


@pytest.mark.django_db
def test_a_room_that_is_not_there_costs_the_others_nothing() -> None:
    ada = UserFactory.create()
    lamps, gone = open_room(ada, "lamps"), open_room(ada, "gone")
    Room.objects.filter(pk=gone.pk).update(deleted_at=gone.created_at, name="")

    outcomes = MessageService.send_everywhere(
        drafts=[(gone.pk, Draft(ada.pk, "x")), (lamps.pk, Draft(ada.pk, "x")), (gone.pk, Draft(ada.pk, "x"))]
    )

    assert [type(outcome) for outcome in outcomes] == [NotFoundError, Sent, NotFoundError]
    assert is_whole(lamps)
    assert MessageService.send_everywhere(drafts=[]) == []


@pytest.mark.django_db(transaction=True)
def test_a_room_that_somebody_holds_is_waited_for_behind_the_others() -> None:
    ada = UserFactory.create()
    lamps, held = open_room(ada, "lamps"), open_room(ada, "held")
    is_held, others_are_stored = Event(), Event()

    def hold() -> None:
        with transaction.atomic():
            hold_room(pk=held.pk)
            is_held.set()
            # As soon as the other room's message can be seen, which it can only if nobody waits for this one.
            others_are_stored.wait(5)
        connection.close()

    def look() -> None:
        is_held.wait(5)
        while not Message.objects.filter(room=lamps).exists():
            pass
        others_are_stored.set()
        connection.close()

    threads = [Thread(target=hold), Thread(target=look)]
    for thread in threads:
        thread.start()
    is_held.wait(5)
    outcomes = MessageService.send_everywhere(drafts=[(held.pk, Draft(ada.pk, "x")), (lamps.pk, Draft(ada.pk, "x"))])
    for thread in threads:
        thread.join()

    assert others_are_stored.is_set()
    assert [type(outcome) for outcome in outcomes] == [Sent, Sent]
    assert is_whole(held)


@pytest.mark.django_db(transaction=True)
def test_many_who_speak_in_the_same_rooms_in_different_orders_get_through() -> None:
    ada = UserFactory.create()
    rooms = [open_room(ada, f"room-{number}") for number in range(4)]

    def speak(number: int) -> list[object]:
        order = rooms[number % 4 :] + rooms[: number % 4]
        return [
            outcome
            for _ in range(5)
            for outcome in MessageService.send_everywhere(drafts=[(room.pk, Draft(ada.pk, "x")) for room in order])
        ]

    outcomes = [outcome for some in at_once(8, speak) for outcome in some]

    assert {type(outcome) for outcome in outcomes} == {Sent}
    assert Message.objects.count() == 8 * 5 * 4
    assert all(is_whole(room) for room in rooms)
