import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Final

import pytest
from django.conf import settings
from django.test import override_settings

from apps.users.tests.support import redis_commands
from infrastructure import redis
from infrastructure.realtime import presence
from infrastructure.redis import RedisUnavailable
from tests.infrastructure.support import at_once, in_processes, redis_hanging, redis_refusing

NOBODY: Final[frozenset[str]] = frozenset()
# Long enough for a round trip, short enough to be waited for.
MOMENT = 0.15

_DIES = """
import os, signal, django
django.setup()
from infrastructure.realtime import presence
presence.arrive("lobby", "ada", "1", seconds=1)
presence.arrive("lobby", "bob", "2", seconds=1)
os.kill(os.getpid(), signal.SIGKILL)
"""


def _people(*names: str) -> frozenset[str]:
    return frozenset(names)


def test_the_first_connection_of_a_user_is_told_and_no_other() -> None:
    assert presence.arrive("lobby", "ada", "1") == presence.Change(_people("ada"), NOBODY, 1)
    assert presence.arrive("lobby", "ada", "2") == presence.Change(NOBODY, NOBODY, 1)
    assert presence.arrive("lobby", "bob", "3") == presence.Change(_people("bob"), NOBODY, 2)


def test_a_connection_counts_once_however_often_it_arrives() -> None:
    for _ in range(3):
        presence.arrive("lobby", "ada", "1")

    assert presence.leave("lobby", {"1": "ada"}, seconds=0).gone == _people("ada")


def test_the_last_connection_of_a_user_is_told_and_no_other() -> None:
    presence.refresh({"lobby": {"1": "ada", "2": "ada", "3": "bob"}})

    assert presence.leave("lobby", {"1": "ada"}, seconds=0) == presence.Change(NOBODY, NOBODY, 2)
    assert presence.leave("lobby", {"2": "ada"}, seconds=0) == presence.Change(NOBODY, _people("ada"), 1)
    assert presence.leave("lobby", {"2": "ada"}, seconds=0) == presence.Change(NOBODY, NOBODY, 1)


def test_whoever_leaves_counts_a_moment_longer() -> None:
    presence.arrive("lobby", "ada", "1")

    assert presence.leave("lobby", {"1": "ada"}, seconds=MOMENT) == presence.Change(NOBODY, NOBODY, 1)
    assert presence.online("lobby") == _people("ada")
    time.sleep(MOMENT)
    assert presence.online("lobby") == NOBODY
    assert presence.refresh({"lobby": {}}) == {"lobby": presence.Change(NOBODY, _people("ada"), 0)}


def test_whoever_comes_back_in_time_was_never_gone() -> None:
    presence.arrive("lobby", "ada", "1")
    presence.leave("lobby", {"1": "ada"}, seconds=MOMENT)

    assert presence.arrive("lobby", "ada", "2") == presence.Change(NOBODY, NOBODY, 1)
    time.sleep(MOMENT)
    assert presence.refresh({"lobby": {}})["lobby"] == presence.Change(NOBODY, NOBODY, 1)


def test_whoever_comes_back_before_anyone_has_looked_was_never_gone() -> None:
    presence.arrive("lobby", "ada", "1", seconds=MOMENT)
    time.sleep(MOMENT)

    assert presence.arrive("lobby", "ada", "2") == presence.Change(NOBODY, NOBODY, 1)


def test_leaving_never_makes_a_connection_live_longer() -> None:
    presence.arrive("lobby", "ada", "1", seconds=MOMENT)

    presence.leave("lobby", {"1": "ada"}, seconds=60)
    time.sleep(MOMENT)

    assert presence.online("lobby") == NOBODY


def test_leaving_without_having_arrived_changes_nothing() -> None:
    presence.arrive("lobby", "ada", "1")

    assert presence.leave("lobby", {"2": "bob", "3": "ada"}, seconds=0) == presence.Change(NOBODY, NOBODY, 1)


def test_a_refresh_keeps_all_connections_of_all_rooms_in_one_round_trip() -> None:
    rooms = {"lobby": {"1": "ada", "2": "bob"}, "garden": {"3": "ada"}, "attic": {}}
    presence.refresh(rooms, seconds=MOMENT)

    with redis_commands() as commands:
        changes = presence.refresh(rooms)

    assert commands == ["EVALSHA"]
    assert changes == {
        "lobby": presence.Change(NOBODY, NOBODY, 2),
        "garden": presence.Change(NOBODY, NOBODY, 1),
        "attic": presence.Change(NOBODY, NOBODY, 0),
    }
    time.sleep(MOMENT)
    assert presence.online("lobby") == _people("ada", "bob")
    assert presence.online("garden") == _people("ada")
    assert presence.online("attic") == NOBODY


def test_a_refresh_of_very_many_is_told_of_each_room() -> None:
    rooms = {f"room{number}": {f"{number}-{one}": f"user{one}" for one in range(100)} for number in range(60)}
    rooms["hall"] = {str(number): f"user{number}" for number in range(5_000)}

    first, second = presence.refresh(rooms), presence.refresh(rooms)

    assert {room: change.online for room, change in first.items()} == {room: len(who) for room, who in rooms.items()}
    assert all(change.came == set(rooms[room].values()) for room, change in first.items())
    assert not any(change.came or change.gone for change in second.values())


def test_nothing_is_asked_of_redis_for_no_rooms() -> None:
    with redis_refusing():
        assert presence.refresh({}) == {}


def test_each_who_is_gone_is_told_to_one_of_many_who_look_at_once() -> None:
    presence.refresh({"lobby": {str(number): f"user{number}" for number in range(50)}}, seconds=MOMENT)
    time.sleep(MOMENT)

    changes = at_once(16, lambda _: presence.refresh({"lobby": {}})["lobby"])

    assert sorted(user for change in changes for user in change.gone) == sorted(f"user{number}" for number in range(50))


def test_many_who_come_and_go_at_once_are_counted_exactly() -> None:
    def visit(number: int) -> list[presence.Change]:
        changes = []
        for turn in range(20):
            changes.append(presence.arrive("lobby", "ada", f"{number}-{turn}"))
            changes.append(presence.leave("lobby", {f"{number}-{turn}": "ada"}, seconds=0))
        return changes

    changes = [change for visits in at_once(16, visit) for change in visits]

    came, gone = (sum("ada" in getattr(change, which) for change in changes) for which in ("came", "gone"))
    assert came == gone >= 1
    assert presence.online("lobby") == NOBODY


def _arrive_elsewhere(prefix: str) -> bool:
    with override_settings(REDIS_KEY_PREFIX=prefix):
        return "ada" in presence.arrive("lobby", "ada", str(os.getpid())).came


@pytest.mark.slow
def test_two_processes_count_together() -> None:
    assert sorted(in_processes(2, _arrive_elsewhere)) == [False, True]
    assert presence.online("lobby") == _people("ada")


@pytest.mark.slow
def test_the_connections_of_a_process_that_is_killed_end_by_themselves_and_are_told_once() -> None:
    presence.arrive("lobby", "ada", "3")
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.e2e.settings",
        "E2E_REDIS_KEY_PREFIX": settings.REDIS_KEY_PREFIX,
        "SMTP_PORT": "0",
    }

    died = subprocess.run([sys.executable, "-c", _DIES], env=environment, check=False, timeout=30)

    assert died.returncode == -signal.SIGKILL
    assert presence.online("lobby") == _people("ada", "bob")
    time.sleep(1)
    assert presence.online("lobby") == _people("ada")
    assert presence.refresh({"lobby": {"3": "ada"}})["lobby"] == presence.Change(NOBODY, _people("bob"), 1)
    assert presence.refresh({"lobby": {"3": "ada"}})["lobby"] == presence.Change(NOBODY, NOBODY, 1)


def test_nothing_is_left_of_a_room_in_which_nobody_is_any_more() -> None:
    presence.arrive("lobby", "ada", "1")
    presence.leave("lobby", {"1": "ada"}, seconds=0)

    assert list(redis.client().scan_iter(match=redis.key("presence", "*"))) == []


def test_redis_forgets_a_room_whose_process_died_and_that_nobody_asks_for() -> None:
    presence.arrive("lobby", "ada", "1")

    names = list(redis.client().scan_iter(match=redis.key("presence", "*")))

    assert len(names) == 2
    assert all(0 < redis.client().ttl(name) <= presence.EXPIRY + 60 for name in names)


@pytest.mark.parametrize("away", [redis_refusing, redis_hanging])
def test_nobody_is_counted_while_redis_is_away(away: Callable[[], object]) -> None:
    with away():  # type: ignore[attr-defined]  # a context manager
        for call in (
            lambda: presence.arrive("lobby", "ada", "1"),
            lambda: presence.leave("lobby", {"1": "ada"}),
            lambda: presence.refresh({"lobby": {}}),
            lambda: presence.online("lobby"),
        ):
            with pytest.raises(RedisUnavailable):
                call()
