from threading import Thread

import pytest
from django.db import connection

from apps.chat.consumers.feed import PAGE
from apps.chat.services import MemberService, MessageService, RoomService
from apps.chat.tests.consumers.support import Opener
from apps.chat.tests.support import history, open_room, say
from apps.chat.types import Draft
from apps.users.tests.factories import UserFactory

pytestmark = pytest.mark.django_db(transaction=True)


def test_all_that_was_missed_comes_in_order_and_as_it_was_told(visit: Opener) -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada)
    left = room.last_seq
    sent = say(ada, text="One")
    MessageService.edit(actor=ada, slug="lamps", message_id=sent.id, text="Two")
    deleted = say(ada, text="Three")
    MessageService.delete(actor=ada, slug="lamps", message_id=deleted.id)
    MemberService.join(actor=bob, slug="lamps")
    RoomService.update(actor=ada, slug="lamps", changes={"name": "Lights"})

    back = visit(ada, query=f"after={left}")

    missed = [back.hear_stored() for _ in range(6)]
    assert missed == [frame for frame in history(room) if frame["seq"] > left]
    assert [frame["type"] for frame in missed] == [
        "message",
        "message.edited",
        "message",
        "message.deleted",
        "member",
        "room",
    ]
    assert (missed[2]["message"], missed[2]["deleted"]) == ("", True)


def test_who_has_missed_nothing_is_told_nothing_and_then_what_happens(visit: Opener) -> None:
    ada = UserFactory.create()
    room = open_room(ada)

    for after in (str(room.last_seq), "999999999"):
        back = visit(ada, query=f"after={after}")
        assert back.socket.is_quiet()
        seq = say(ada).seq
        assert back.hear_stored()["seq"] == seq


def test_a_welcome_without_a_number_is_followed_by_what_comes_next(visit: Opener) -> None:
    ada = UserFactory.create()
    open_room(ada)
    say(ada)
    here = visit(ada)

    assert here.hear_seqs(0) == []
    seq = say(ada).seq

    assert here.welcome["last_seq"] == seq - 1
    assert here.hear_stored()["seq"] == seq


def test_what_happens_meanwhile_follows_without_a_gap_and_nothing_comes_twice(visit: Opener) -> None:
    ada = UserFactory.create()
    room = open_room(ada)
    visit(ada)
    missed = 2 * PAGE + 10
    MessageService.send_all(room_id=room.pk, drafts=[Draft(ada.pk, str(number)) for number in range(missed)])

    def go_on() -> None:
        for _ in range(30):
            say(ada)
        connection.close()

    meanwhile = Thread(target=go_on)
    meanwhile.start()
    back = visit(ada, query=f"after={room.last_seq}")
    seqs = back.hear_seqs(missed + 30)
    meanwhile.join()

    assert seqs == list(range(room.last_seq + 1, room.last_seq + missed + 31))
    assert back.socket.is_quiet()


def test_what_is_said_while_missed_messages_come_is_answered_before_they_are_all_there(visit: Opener) -> None:
    ada = UserFactory.create()
    room = open_room(ada)
    MessageService.send_all(room_id=room.pk, drafts=[Draft(ada.pk, "x" * 1_000) for _ in range(300)])
    back = visit(ada, query="after=0")

    answer = back.ask("message", message="Here")

    assert answer["seq"] == room.last_seq + 301
    assert back.hear_seqs(answer["seq"]) == list(range(1, answer["seq"] + 1))
