"""The reference client against a server that plays a part: breaks, holes, refusals."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from layerline_client import GoneError, ProblemError, RefusedError, Room
from websockets.asyncio.server import ServerConnection, serve

pytestmark = pytest.mark.anyio

type Part = Callable[[ServerConnection], Awaitable[None]]


class Stage:
    """A server that plays one part for each connection, in turn; the last again and again."""

    def __init__(self, *parts: Part) -> None:
        self.parts = list(parts)
        # What each connection was opened with: query string and token.
        self.opened: list[tuple[str, str]] = []
        self.times: list[float] = []
        self.port = 0

    async def play(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        _, _, token = socket.request.headers["Sec-WebSocket-Protocol"].partition("bearer.")
        self.opened.append((socket.request.path.partition("?")[2], token))
        self.times.append(time.monotonic())
        part = self.parts[min(len(self.opened), len(self.parts)) - 1]
        await part(socket)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        async with serve(self.play, "127.0.0.1", self.port, subprotocols=["layerline.v1"]) as server:  # type: ignore[list-item]  # a NewType of str
            self.port = server.sockets[0].getsockname()[1]
            yield

    @asynccontextmanager
    async def room(self, *, after: int | None = None) -> AsyncIterator[Room]:
        async with asyncio.timeout(20), Room(f"ws://127.0.0.1:{self.port}/ws/chat/a/", Tokens(), after=after) as room:
            yield room


class Tokens:
    """Numbers its tokens; a fresh one is the next."""

    def __init__(self) -> None:
        self.number = 1

    async def __call__(self, *, fresh: bool = False) -> str:
        self.number += fresh
        return f"token{self.number}"


def welcome(*, last_seq: int = 0, seconds: float = 900) -> str:
    end = datetime.now(UTC) + timedelta(seconds=seconds)
    return json.dumps({"type": "welcome", "last_seq": last_seq, "expires_at": end.isoformat()})


def change(seq: int) -> str:
    return json.dumps({"type": "message", "seq": seq, "message": f"text {seq}"})


def sends(*texts: str, then: Part | None = None) -> Part:
    """Play a connection that says hello, sends some frames, and then waits or does what comes then."""

    async def part(socket: ServerConnection) -> None:
        for text in texts:
            await socket.send(text)
        await (then(socket) if then else socket.wait_closed())

    return part


async def breaks(socket: ServerConnection) -> None:
    # What was sent shall arrive before the end does.
    await asyncio.sleep(0.05)
    socket.transport.abort()


def closes(code: int, reason: str = "") -> Part:
    async def part(socket: ServerConnection) -> None:
        await socket.close(code, reason)

    return part


async def _seqs(room: Room, count: int) -> list[int]:
    found: list[int] = []
    async for frame in room:
        found.append(frame["seq"])
        if len(found) == count:
            break
    return found


async def test_each_change_is_given_once_and_in_order_over_a_break() -> None:
    stage = Stage(
        sends(welcome(last_seq=3), change(4), change(5), then=breaks),
        sends(welcome(last_seq=7), change(5), change(6), change(7)),
    )

    async with stage.open(), stage.room() as room:
        assert await _seqs(room, 4) == [4, 5, 6, 7]

    assert [query for query, _ in stage.opened] == ["", "after=5"]


async def test_it_begins_where_it_is_told_to() -> None:
    stage = Stage(sends(welcome(last_seq=2), change(1), change(2)))

    async with stage.open(), stage.room(after=0) as room:
        assert await _seqs(room, 2) == [1, 2]

    assert stage.opened[0][0] == "after=0"


@pytest.mark.parametrize("hint", [change(9), json.dumps({"type": "resync", "last_seq": 9})], ids=["hole", "resync"])
async def test_it_comes_back_for_what_is_missing(hint: str) -> None:
    stage = Stage(sends(welcome(last_seq=0), change(1), hint), sends(welcome(last_seq=9), change(2)))

    async with stage.open(), stage.room() as room:
        assert (await room.next("message"))["seq"] == 1
        assert (await room.next("message"))["seq"] == 2

    assert [query for query, _ in stage.opened] == ["", "after=1"]


async def test_what_was_sent_into_a_break_is_sent_again_under_the_same_client_id() -> None:
    heard: list[dict[str, Any]] = []

    async def hears_and_breaks(socket: ServerConnection) -> None:
        heard.append(json.loads(await socket.recv()))
        socket.transport.abort()

    async def hears_and_answers(socket: ServerConnection) -> None:
        heard.append(json.loads(await socket.recv()))
        ack = {"type": "ack", "ref": heard[-1]["ref"], "id": "m1", "seq": 1, "sent_at": "2026-01-01T00:00:00Z"}
        ack["request_id"] = "r1"
        await socket.send(json.dumps(ack))
        await socket.wait_closed()

    stage = Stage(sends(welcome(), then=hears_and_breaks), sends(welcome(), then=hears_and_answers))

    async with stage.open(), stage.room() as room:
        sent = await room.send("Good morning.")

    assert (sent.id, sent.seq, sent.request_id) == ("m1", 1, "r1")
    assert heard[0] == heard[1]
    assert (heard[0]["type"], heard[0]["message"]) == ("message", "Good morning.")
    assert heard[0]["client_id"]


async def test_a_refusal_is_raised_where_it_belongs_and_the_room_goes_on() -> None:
    async def refuses(socket: ServerConnection) -> None:
        ref = json.loads(await socket.recv())["ref"]
        frame = {"type": "error", "ref": ref, "code": "muted", "detail": "You are muted.", "request_id": "r1"}
        await socket.send(json.dumps(frame))
        await socket.send(change(1))
        await socket.wait_closed()

    stage = Stage(sends(welcome(), then=refuses))

    async with stage.open(), stage.room() as room:
        with pytest.raises(RefusedError, match="muted: You are muted") as raised:
            await room.send("Good morning.")
        assert await _seqs(room, 1) == [1]

    assert (raised.value.code, raised.value.request_id) == ("muted", "r1")


@pytest.mark.parametrize("code", [4400, 4403, 4404, 4430])
async def test_where_coming_back_would_not_help_it_ends(code: int) -> None:
    stage = Stage(closes(code))

    async with stage.open():
        with pytest.raises(GoneError) as raised:
            async with stage.room():
                pass

    assert raised.value.code == code
    assert len(stage.opened) == 1


async def test_a_room_that_is_left_by_the_server_ends_for_those_who_wait_as_well() -> None:
    async def removes(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.close(4403)

    stage = Stage(sends(welcome(), then=removes))

    async with stage.open(), stage.room() as room:
        with pytest.raises(GoneError):
            await room.send("Good morning.")
        with pytest.raises(GoneError):
            await _seqs(room, 1)
        with pytest.raises(GoneError):
            await room.send("Is anybody there?")


async def test_a_token_that_is_refused_is_replaced_once() -> None:
    stage = Stage(closes(4401), sends(welcome(), change(1)))

    async with stage.open(), stage.room() as room:
        assert await _seqs(room, 1) == [1]

    assert [token for _, token in stage.opened] == ["token1", "token2"]


async def test_and_if_that_does_not_help_it_ends() -> None:
    stage = Stage(closes(4401))

    async with stage.open():
        with pytest.raises(GoneError) as raised:
            async with stage.room():
                pass

    assert raised.value.code == 4401
    assert len(stage.opened) == 2


async def test_a_session_that_is_over_ends_it() -> None:
    async def is_over(*, fresh: bool = False) -> str:
        raise ProblemError(401, {"code": "session_revoked"})

    with pytest.raises(ProblemError) as raised:
        async with Room("ws://127.0.0.1:9/ws/chat/a/", is_over):
            pass

    assert raised.value.code == "session_revoked"


async def test_a_restarting_server_says_when_to_come_back() -> None:
    stage = Stage(sends(welcome(), then=closes(1012, "retry=0.4")), sends(welcome(), change(1)))

    async with stage.open(), stage.room() as room:
        assert await _seqs(room, 1) == [1]

    assert 0.4 <= stage.times[1] - stage.times[0] < 2


async def test_a_server_that_is_away_is_waited_for() -> None:
    stage = Stage(sends(welcome(), change(1)))
    async with stage.open():
        pass

    async def comes_later() -> None:
        await asyncio.sleep(0.5)
        async with stage.open():
            await asyncio.sleep(5)

    server = asyncio.create_task(comes_later())
    async with stage.room() as room:
        assert await _seqs(room, 1) == [1]
    server.cancel()
    await asyncio.gather(server, return_exceptions=True)


async def test_a_socket_gets_a_newer_token_before_it_ends() -> None:
    renewed: list[dict[str, Any]] = []

    async def listens(socket: ServerConnection) -> None:
        renewed.append(json.loads(await socket.recv()))
        end = (datetime.now(UTC) + timedelta(minutes=15)).isoformat()
        await socket.send(json.dumps({"type": "auth.ok", "ref": renewed[0]["ref"], "expires_at": end}))
        await socket.send(change(1))
        await socket.wait_closed()

    stage = Stage(sends(welcome(seconds=30.2), then=listens))

    async with stage.open(), stage.room() as room:
        assert await _seqs(room, 1) == [1]

    assert (renewed[0]["type"], renewed[0]["token"]) == ("auth", "token2")
    assert len(stage.opened) == 1


async def test_leaving_ends_what_waits() -> None:
    stage = Stage(sends(welcome()))

    async with stage.open():
        async with stage.room() as room:
            waiting = asyncio.create_task(room.send("Nobody answers."))
            await asyncio.sleep(0.05)
        with pytest.raises(GoneError):
            await waiting
