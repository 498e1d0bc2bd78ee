from uuid import uuid4

import pytest

from apps.chat.models import Message
from apps.chat.tests.consumers.support import Opener
from apps.chat.tests.support import is_whole, open_room, say
from apps.users.tests.factories import UserFactory

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_is_edited_is_told_to_everyone_under_its_own_number(visit: Opener) -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, members=[bob])
    sent = say(ada)
    at_ada, at_bob = visit(ada), visit(bob)

    answer = at_ada.ask("edit", id=str(sent.id), message="Good bye")

    assert answer == {"type": "ack", "id": str(sent.id)}
    assert Message.objects.get().text == "Good bye"
    for told in (at_ada.hear("message.edited"), at_bob.hear("message.edited")):
        assert told == {
            "type": "message.edited",
            "id": str(sent.id),
            "seq": sent.seq + 1,
            "message": "Good bye",
            "edited_at": told["edited_at"],
            "by": str(ada.pk),
        }
    assert is_whole(room)


def test_what_is_deleted_says_nothing_any_more(visit: Opener) -> None:
    ada = UserFactory.create()
    open_room(ada)
    sent = say(ada)
    at_ada = visit(ada)

    assert at_ada.ask("delete", id=str(sent.id)) == {"type": "ack", "id": str(sent.id)}

    assert at_ada.hear("message.deleted") == {
        "type": "message.deleted",
        "id": str(sent.id),
        "seq": sent.seq + 1,
        "by": str(ada.pk),
    }
    assert Message.objects.get().text == ""


def test_anothers_message_stays_as_it_is_and_nobody_is_told(visit: Opener) -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    open_room(ada, members=[bob])
    sent = say(ada)
    at_bob = visit(bob)

    edited = at_bob.ask("edit", id=str(sent.id), message="Mine")
    deleted = at_bob.ask("delete", id=str(sent.id))
    unknown = [at_bob.ask(kind, id=str(uuid4()), **more) for kind, more in (("delete", {}), ("edit", {"message": "x"}))]

    assert (edited["code"], deleted["code"]) == ("forbidden", "forbidden")
    assert [answer["code"] for answer in unknown] == ["not_found", "not_found"]
    assert Message.objects.get().text == "Hello"
    assert at_bob.socket.is_quiet()
