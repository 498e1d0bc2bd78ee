"""Rooms while servers are killed, end, lose Redis and are sent nonsense: nothing acknowledged is lost or doubled."""

import asyncio
import json
import random
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest
from django.conf import settings
from websockets.exceptions import ConnectionClosed

from apps.chat.models import Message
from apps.chat.tests.support import history, is_whole, open_room
from apps.common.tests.api import SignIn
from apps.users.tests.factories import UserFactory
from tests.e2e.chat import Visitor, played
from tests.e2e.servers import Server, running, uvicorn
from tests.infrastructure.support import Server as Redis

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("database")]

FRAMES: Final = 5_000
# Messages after which a server is ended.
ENOUGH: Final = 50
ANSWERS: Final = frozenset({"ack", "error", "pong", "history", "auth.ok"})


@pytest.fixture
def rates() -> dict[str, str]:
    """What lets everybody do everything."""
    return {f"THROTTLE_{scope.upper()}": "1000000/min" for scope in settings.THROTTLE_RATES}


@pytest.fixture
def mortal(environment: dict[str, str], logs: Path, rates: dict[str, str]) -> Iterator[Server]:
    """A server that the test may end."""
    log = logs / f"mortal-{uuid4().hex}.log"
    with running(uvicorn, log=log, environment=environment | rates) as server:
        yield server
    said = log.read_text(encoding="utf-8")
    assert "Traceback" not in said, said
    assert "unhandled_exception" not in said, said


async def _talk(visitor: Visitor, acknowledged: list[str], enough: asyncio.Event) -> tuple[int, str]:
    """Say one thing after the other until the socket ends, and return how it does."""
    try:
        for number in range(100_000):
            answer = await visitor.ask("message", message=str(number), client_id=uuid4().hex)
            acknowledged.append(answer["id"])
            if len(acknowledged) == ENOUGH:
                enough.set()
    except ConnectionClosed:
        pass
    return visitor.connection.close_code or 0, visitor.connection.close_reason or ""


async def _talking(server: Server, tokens: list[str], acknowledged: list[str], end: Any) -> list[tuple[int, str]]:
    """Let some people talk at a server until it is ended, once they have said enough."""
    entering = [Visitor.entered(server, token) for token in tokens]
    visitors = [await context.__aenter__() for context in entering]
    enough = asyncio.Event()
    talks = [asyncio.create_task(_talk(visitor, acknowledged, enough)) for visitor in visitors]
    await enough.wait()
    end()
    endings = await asyncio.gather(*talks)
    for context in entering:
        await context.__aexit__(None, None, None)
    return endings


def test_a_process_that_is_killed_takes_nothing_along_that_was_acknowledged(
    two_servers: tuple[Server, Server], mortal: Server, auth_api: SignIn
) -> None:
    people = [auth_api(UserFactory.create()) for _ in range(5)]
    room = open_room(people[0].user, members=[one.user for one in people[1:]])
    acknowledged: list[str] = []

    async def scene() -> list[int]:
        async with Visitor.entered(two_servers[0], people[0].access) as elsewhere:
            await _talking(mortal, [one.access for one in people], acknowledged, mortal.process.kill)
            last = await elsewhere.ask("message", message="The last")
            return await elsewhere.until(last["seq"])

    heard = played(scene())
    stored = {str(key) for key in Message.objects.values_list("pk", flat=True)}
    assert set(acknowledged) <= stored
    # What is pushed after a commit may be lost with the process: it comes before what is said next.
    assert heard == list(range(room.last_seq + 1, room.last_seq + len(stored) + 1))
    assert is_whole(room)


def test_a_process_that_ends_tells_when_to_come_back_and_loses_nothing(mortal: Server, auth_api: SignIn) -> None:
    people = [auth_api(UserFactory.create()) for _ in range(5)]
    room = open_room(people[0].user, members=[one.user for one in people[1:]])
    acknowledged: list[str] = []
    started = [0.0]

    def end() -> None:
        started[0] = time.monotonic()
        mortal.process.send_signal(signal.SIGTERM)

    endings = played(_talking(mortal, [one.access for one in people], acknowledged, end))
    mortal.process.wait(timeout=10)

    assert {code for code, _ in endings} == {1012}
    assert all(1 <= int(reason.removeprefix("retry=")) <= 10 for _, reason in endings)
    assert time.monotonic() - started[0] < 8
    assert set(acknowledged) <= {str(key) for key in Message.objects.values_list("pk", flat=True)}
    assert is_whole(room)


def test_a_redis_that_was_killed_leaves_no_hole(
    environment: dict[str, str], logs: Path, rates: dict[str, str], tmp_path: Path, auth_api: SignIn
) -> None:
    redis = Redis(tmp_path)
    redis.start()
    told = environment | rates | {"REDIS_URL": f"redis://127.0.0.1:{redis.port}/0"}
    people = [auth_api(UserFactory.create()) for _ in range(4)]
    room = open_room(people[0].user, members=[one.user for one in people[1:]])

    async def talk(visitor: Visitor, until: asyncio.Event) -> None:
        while not until.is_set():
            assert (await visitor.ask("message", message="x", client_id=uuid4().hex))["type"] == "ack"
            await asyncio.sleep(0.01)

    async def scene(servers: list[Server]) -> list[list[int]]:
        entering = [Visitor.entered(servers[number % 2], one.access) for number, one in enumerate(people)]
        visitors = [await context.__aenter__() for context in entering]
        until = asyncio.Event()
        talks = [asyncio.create_task(talk(visitor, until)) for visitor in visitors]
        await asyncio.sleep(0.3)
        redis.kill()
        await asyncio.sleep(0.7)
        await asyncio.to_thread(redis.start)
        await asyncio.sleep(0.5)
        until.set()
        await asyncio.gather(*talks)
        last = await visitors[0].ask("message", message="The last")
        heard = [await visitor.until(last["seq"]) for visitor in visitors]
        for context in entering:
            await context.__aexit__(None, None, None)
        return heard

    with (
        running(uvicorn, log=logs / "redis-1.log", environment=told) as first,
        running(uvicorn, log=logs / "redis-2.log", environment=told) as second,
    ):
        heard = played(scene([first, second]))
    redis.kill()
    assert is_whole(room)
    everything = [frame["seq"] for frame in history(room) if frame["seq"] > room.last_seq]
    assert heard == [everything] * 4


def _value(chance: random.Random, depth: int = 0) -> Any:
    """Return any JSON value, likely one that is wrong."""
    simple = (None, True, 0, -1, 2**63 - 1, 1e308, "", "x" * chance.randrange(5_000), "\u202e", "😀" * 50, str(uuid4()))
    kind = chance.random()
    if depth < 4 and kind < 0.15:
        return [_value(chance, depth + 1) for _ in range(chance.randrange(4))]
    if depth < 4 and kind < 0.3:
        return {chance.choice(("type", "id", "", "x")): _value(chance, depth + 1) for _ in range(chance.randrange(3))}
    return chance.choice(simple)


def _frame(chance: random.Random) -> str | bytes:
    """Return a frame that is near to a good one, or far from it."""
    fields = ("message", "client_id", "id", "seq", "state", "before", "after", "limit", "token", "ref", "from", "\0")
    kinds = ("message", "edit", "delete", "read", "typing", "history", "ping", "presence", "welcome", "__class__", "")
    kind = chance.random()
    if kind < 0.05:
        return chance.randbytes(chance.randrange(200))
    frame = {"type": chance.choice(kinds) if chance.random() < 0.9 else _value(chance)}
    frame |= {chance.choice(fields): _value(chance) for _ in range(chance.randrange(4))}
    text = json.dumps(frame if kind < 0.9 else _value(chance))
    if kind < 0.2:
        place = chance.randrange(len(text) + 1)
        text = text[:place] + chance.choice(("", "\0", "{", '"', "\\ud800", "NaN", "9" * 30)) + text[place + 1 :]
    return text


async def _send_nonsense(server: Server, token: str, seed: int, count: int) -> None:
    """Send generated frames, and come back whenever they were too many bad ones."""
    chance, answered = random.Random(seed), 0
    while answered < count:
        async with Visitor.entered(server, token) as visitor:
            with suppress(ConnectionClosed):
                while answered < count:
                    await visitor.connection.send(_frame(chance))
                    while (await visitor.receive())["type"] not in ANSWERS:
                        pass
                    answered += 1
                await visitor.connection.close()
            # A token that is none is the end of a socket, too.
            assert visitor.connection.close_code in {1000, 4400, 4401}


def test_5000_generated_frames_break_nothing_and_the_room_is_alive(mortal: Server, auth_api: SignIn) -> None:
    people = [auth_api(UserFactory.create()) for _ in range(10)]
    listener = auth_api(UserFactory.create())
    room = open_room(listener.user, members=[one.user for one in people])

    async def scene() -> None:
        async with Visitor.entered(mortal, listener.access) as quiet:
            async with asyncio.TaskGroup() as tasks:
                for seed, one in enumerate(people):
                    tasks.create_task(_send_nonsense(mortal, one.access, seed, FRAMES // len(people)))
            answer = await quiet.ask("message", message="Still here")
            assert answer["type"] == "ack"
            assert await quiet.until(answer["seq"]) == list(range(room.last_seq + 1, answer["seq"] + 1))

    played(scene())
    assert is_whole(room)
