import pytest

from apps.chat.models import Message
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
