from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from apps.chat.models import Message
from apps.chat.services import MemberService, RoomService
from apps.chat.tests.consumers.support import Opener
from apps.chat.tests.support import is_whole, open_room, say
from apps.users.tests.factories import UserFactory

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_is_said_is_acknowledged_once_stored_and_told_to_everyone(visit: Opener) -> None:
    ada, bob = UserFactory.create(name="Ada"), UserFactory.create(name="Bob")
    room = open_room(ada, members=[bob])
    at_ada, at_bob = visit(ada), visit(bob)

    answer = at_ada.ask("message", message="Lamps are lit.", client_id="c-1")

    stored = Message.objects.get()
    assert answer == {
        "type": "ack",
        "id": str(stored.pk),
        "seq": room.last_seq + 1,
        "client_id": "c-1",
        "sent_at": answer["sent_at"],
    }
    assert (stored.text, stored.author_id, stored.seq) == ("Lamps are lit.", ada.pk, answer["seq"])
    for told in (at_ada.hear("message"), at_bob.hear("message")):
        assert told == {
            "type": "message",
            "id": str(stored.pk),
            "seq": answer["seq"],
            "message": "Lamps are lit.",
            "from": str(ada.pk),
            "author": {"id": str(ada.pk), "name": "Ada", "avatar": None},
            "client_id": "c-1",
            "sent_at": answer["sent_at"],
        }
    assert is_whole(room)


def test_what_is_said_elsewhere_is_heard_in_its_order(visit: Opener) -> None:
    ada = UserFactory.create()
    room = open_room(ada)
    at_ada = visit(ada)

    for number in range(5):
        say(ada, text=str(number))

    assert at_ada.hear_seqs(5) == list(range(room.last_seq + 1, room.last_seq + 6))


def test_the_same_client_id_is_the_same_message(visit: Opener) -> None:
    ada = UserFactory.create()
    room = open_room(ada)
    at_ada = visit(ada)

    first = at_ada.ask("message", message="Once", client_id="c-1")
    second = at_ada.ask("message", message="Twice", client_id="c-1")

    assert second == first
    assert Message.objects.get().text == "Once"
    assert at_ada.hear("message")["seq"] == room.last_seq + 1
    assert at_ada.socket.is_quiet()


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, {"message": "required"}),
        ({"message": ""}, {"message": "blank"}),
        ({"message": "x" * 4_001}, {"message": "max_length"}),
        ({"message": 5}, {"message": "invalid"}),
        ({"message": "x", "client_id": "x" * 65}, {"client_id": "max_length"}),
        ({"message": " \n"}, {"message": "blank"}),
        ({"message": "x", "client_id": ""}, {"client_id": "blank"}),
        ({"message": "x", "seq": 1}, {"seq": "unknown"}),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_stored(
    visit: Opener, fields: dict[str, Any], wrong: dict[str, str]
) -> None:
    ada = UserFactory.create()
    open_room(ada)
    at_ada = visit(ada)

    answer = at_ada.ask("message", **fields)

    assert {error["field"]: error["code"] for error in answer["errors"]} == wrong
    assert not Message.objects.exists()


def test_4000_characters_are_taken_as_they_are(visit: Opener) -> None:
    ada = UserFactory.create()
    open_room(ada)
    text = " " + "ä" * 3_998 + " "

    assert visit(ada).ask("message", message=text)["type"] == "ack"
    assert Message.objects.get().text == text


def test_who_may_not_speak_is_told_why_and_nothing_is_stored(visit: Opener) -> None:
    ada, bob, cleo = UserFactory.create(), UserFactory.create(), UserFactory.create()
    room = open_room(ada, members=[bob, cleo])
    at_bob, at_cleo = visit(bob), visit(cleo)
    MemberService.mute(actor=ada, slug="lamps", user_id=bob.pk, until=timezone.now() + timedelta(hours=1))
    muted = at_bob.ask("message", message="x")
    RoomService.update(actor=ada, slug="lamps", changes={"closed": True})
    closed = at_cleo.ask("message", message="x")

    assert (muted["code"], closed["code"]) == ("muted", "room_closed")
    assert not Message.objects.exists()
    assert is_whole(room)


def test_messages_of_many_are_stored_together_in_one_order_for_all(visit: Opener) -> None:
    people = UserFactory.create_batch(5)
    room = open_room(people[0], members=people[1:])
    visits = [visit(person) for person in people]

    for number in range(4):
        for one in visits:
            one.socket.send({"type": "message", "message": str(number)})

    heard = [[one.hear("message") for _ in range(20)] for one in visits]
    orders = [[frame["id"] for frame in frames] for frames in heard]
    assert orders == [orders[0]] * 5
    assert [frame["seq"] for frame in heard[0]] == list(range(room.last_seq + 1, room.last_seq + 21))
    assert is_whole(room)


def test_messages_have_a_limit_of_their_own(visit: Opener, settings: Settings) -> None:
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"messages": (2, 60), "burst": (1, 60)}
    ada = UserFactory.create()
    open_room(ada)
    at_ada = visit(ada)

    answers = [at_ada.ask("message", message="x") for _ in range(3)]

    assert [answer["type"] for answer in answers] == ["ack", "ack", "error"]
    assert (answers[2]["code"], answers[2]["retry_after"]) == ("throttled", 60)
    assert at_ada.ask("typing", state=True)["type"] == "ack"
    assert Message.objects.count() == 2
