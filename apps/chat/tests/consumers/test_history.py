from itertools import chain
from typing import Any

import pytest

from apps.chat.services import MessageService
from apps.chat.tests.consumers.support import Opener
from apps.chat.tests.support import open_room, say
from apps.chat.types import Draft
from apps.users.tests.factories import UserFactory

pytestmark = pytest.mark.django_db(transaction=True)


def _numbers(frame: dict[str, Any]) -> list[int]:
    return [message["seq"] for message in frame["messages"]]


def test_messages_before_and_after_a_number_and_the_newest_are_shown(visit: Opener) -> None:
    ada = UserFactory.create()
    first = open_room(ada).last_seq + 1
    for _ in range(5):
        say(ada)
    at_ada = visit(ada)

    before = at_ada.ask("history", before=first + 3, limit=2)
    after = at_ada.ask("history", after=first + 2)
    newest = at_ada.ask("history", limit=1)

    assert (_numbers(before), before["complete"], before["more"]) == ([first + 1, first + 2], False, False)
    assert (_numbers(after), after["complete"], after["more"]) == ([first + 3, first + 4], True, False)
    assert (_numbers(newest), newest["complete"]) == ([first + 4], False)


@pytest.mark.parametrize("way", ["before", "after"])
def test_long_messages_come_in_pages_of_64_kibibytes(visit: Opener, way: str) -> None:
    ada = UserFactory.create()
    room = open_room(ada)
    drafts = [Draft(ada.pk, "ä" * 4_000) for _ in range(6)]
    MessageService.send_all(room_id=room.pk, drafts=drafts)
    at_ada = visit(ada)
    frames: list[dict[str, Any]] = []

    at_ada.socket.send({"type": "history", "ref": "h", way: 1_000 if way == "before" else 0, "limit": 6})
    while not frames or frames[-1]["more"]:
        event = at_ada.socket.take()
        assert len(event["text"]) <= 64 * 1024
        frames.append(at_ada.socket.read(event))

    assert len(frames) > 1
    assert {frame["ref"] for frame in frames} == {"h"}
    assert [frame["complete"] for frame in frames] == [False] * (len(frames) - 1) + [True]
    numbers = [_numbers(frame) for frame in (frames if way == "after" else frames[::-1])]
    assert list(chain.from_iterable(numbers)) == list(range(room.last_seq + 1, room.last_seq + 7))


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"before": 1, "after": 1}, {"": "both"}),
        ({"before": -1}, {"before": "min_value"}),
        ({"after": "1"}, {"after": "invalid"}),
        ({"limit": 0}, {"limit": "min_value"}),
        ({"limit": 201}, {"limit": "max_value"}),
        ({"limit": True}, {"limit": "invalid"}),
    ],
)
def test_what_cannot_be_asked_for_is_named(visit: Opener, fields: dict[str, Any], wrong: dict[str, str]) -> None:
    ada = UserFactory.create()
    open_room(ada)

    answer = visit(ada).ask("history", **fields)

    assert {error["field"]: error["code"] for error in answer["errors"]} == wrong
