from typing import Any

import pytest

from apps.chat.consumers import attendance
from apps.chat.consumers.attendance import NAMED
from apps.chat.tests.consumers.support import Opener
from apps.chat.tests.support import open_room
from apps.users.tests.factories import UserFactory
from infrastructure.realtime import presence
from infrastructure.redis import client, key

pytestmark = pytest.mark.django_db(transaction=True)


def test_whoever_comes_is_told_to_those_who_are_there_and_his_second_socket_is_not(visit: Opener) -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    open_room(ada, members=[bob])
    at_ada = visit(ada)

    first, second = visit(bob), visit(bob)

    assert (first.welcome["members_online"], second.welcome["members_online"]) == (2, 2)
    come = {"type": "presence", "user": str(bob.pk), "online": True, "members_online": 2}
    while (told := at_ada.hear("presence"))["user"] == str(ada.pk):
        pass
    assert told == come
    at_ada.ask("ping")
    assert "presence" not in {frame["type"] for frame in at_ada.seen}


def test_whoever_has_left_counts_a_moment_longer_and_is_then_gone(visit: Opener) -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, members=[bob])
    at_ada, at_bob = visit(ada), visit(bob)
    entries = key("presence", "connections", room.pk.hex)

    at_bob.socket.leave()

    (entry,) = [name for name in _entries(entries) if name.startswith(str(bob.pk))]
    assert at_ada.hear("presence")["online"] is True
    # As if the time was over.
    client().zadd(entries, {entry: 1})
    attendance._refresh({room.pk: {}})
    while (told := at_ada.hear("presence"))["online"]:
        pass
    assert told == {"type": "presence", "user": str(bob.pk), "online": False, "members_online": 1}


def _entries(name: str) -> list[str]:
    held: Any = client()
    return [entry.decode() for entry in held.zrange(name, 0, -1)]


def test_in_a_large_room_only_how_many_there_are_is_told() -> None:
    few = presence.Change(frozenset({"a"}), frozenset({"b"}), NAMED)
    many = presence.Change(frozenset({"a"}), frozenset({"b"}), NAMED + 1)
    none = presence.Change(frozenset(), frozenset(), NAMED + 1)

    assert list(attendance._frames(few)) == [
        {"type": "presence", "members_online": NAMED, "user": "a", "online": True},
        {"type": "presence", "members_online": NAMED, "user": "b", "online": False},
    ]
    assert list(attendance._frames(many)) == [{"type": "presence", "members_online": NAMED + 1}]
    assert list(attendance._frames(none)) == []
