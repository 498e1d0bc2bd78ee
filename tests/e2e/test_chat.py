"""Rooms as their members meet them: over real connections, to two real servers."""

import asyncio
import json
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from channels.db import database_sync_to_async
from django.utils import timezone
from freezegun import freeze_time
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from apps.chat.models import Message
from apps.chat.services import MessageService
from apps.chat.tests.support import is_whole, open_room
from apps.chat.types import Draft
from apps.common.tests.api import SignIn
from apps.users.tests.factories import AdminFactory, UserFactory
from tests.e2e.chat import Visitor, opened, played
from tests.e2e.servers import Server

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("database")]

type Servers = tuple[Server, Server]


async def _closed(server: Server, **options: Any) -> int:
    """Return the code with which a socket is closed, before which nothing may be sent."""
    async with opened(server, **options) as connection:
        visitor = Visitor(connection)
        code, _ = await visitor.closed()
        assert visitor.heard == []
        return code


def test_whoever_may_not_come_in_is_told_why_and_nothing_before(two_servers: Servers, auth_api: SignIn) -> None:
    ada, stranger = UserFactory.create(), auth_api(UserFactory.create())
    open_room(ada, private=True)
    with freeze_time(timezone.now() - timedelta(minutes=16)):
        expired = auth_api(ada).access
    server = two_servers[0]

    async def scene() -> list[int]:
        codes = [await _closed(server, token=token) for token in (expired, stranger.refresh, "x.y.z", stranger.access)]
        async with opened(server) as connection:
            await connection.send('{"type": "ping"}')
            codes.append((await Visitor(connection).closed())[0])
        codes.append(await _closed(server, query="ticket=none"))
        codes.append(await _closed(server, slug="nowhere", token=stranger.access))
        return codes

    assert played(scene()) == [4401, 4401, 4401, 4404, 4401, 4401, 4404]


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_a_foreign_page_is_refused_with_403(two_servers: Servers, origin: str) -> None:
    async def scene() -> None:
        async with opened(two_servers[0], origin=Origin(origin)):
            raise AssertionError

    with pytest.raises(InvalidStatus) as caught:
        played(scene())

    assert caught.value.response.status_code == 403


def test_frames_that_are_none_are_answered_and_the_socket_lives_but_not_one_that_is_too_long(
    two_servers: Servers, auth_api: SignIn
) -> None:
    ada = auth_api(UserFactory.create())
    open_room(ada.user)

    async def scene() -> None:
        async with Visitor.entered(two_servers[0], ada.access) as here:
            for text in ("{", "[]", '{"type": 5}', '{"type": "nonsense"}', '{"type": "message", "message": 5}', "\0"):
                await here.connection.send(text)
            await here.connection.send(b"\xff\x00")
            assert (await here.ask("message", message="Still here"))["type"] == "ack"
            assert [frame["type"] for frame in here.heard if frame["type"] != "presence"] == ["error"] * 7
            await here.connection.send("x" * 65_537)
            assert (await here.closed())[0] == 1009

    played(scene())


def test_whoever_is_signed_out_or_taken_out_in_another_process_is_closed_within_a_second(
    two_servers: Servers, auth_api: SignIn
) -> None:
    here, there = two_servers
    owner, admin = auth_api(UserFactory.create()), auth_api(AdminFactory.create())
    people = [auth_api(UserFactory.create()) for _ in range(4)]
    open_room(owner.user, members=[one.user for one in people])
    remove, ban, deactivate = (
        f"/api/v1/chat/rooms/lamps/members/{people[1].user.pk}/",
        f"/api/v1/chat/rooms/lamps/members/{people[2].user.pk}/ban/",
        f"/api/v1/users/{people[3].user.pk}/",
    )
    endings: list[tuple[Callable[[], Any], int]] = [
        (lambda: there.send("POST", "/api/v1/auth/logout-all/", token=people[0].access), 4401),
        (lambda: there.send("DELETE", remove, token=owner.access), 4403),
        (lambda: there.send("POST", ban, token=owner.access), 4403),
        (lambda: there.send("DELETE", deactivate, token=admin.access), 4401),
    ]

    async def scene() -> None:
        async with Visitor.entered(here, owner.access) as at_owner:
            for somebody, (end, code) in zip(people, endings, strict=True):
                async with Visitor.entered(here, somebody.access) as visitor:
                    assert (await asyncio.to_thread(end)).status_code in {200, 204}
                    ended = time.monotonic()
                    assert (await visitor.closed())[0] in {code, 4403}
                    assert time.monotonic() - ended < 1
            assert (await at_owner.ask("ping"))["type"] == "pong"

    played(scene())


def test_a_socket_ends_with_its_token_unless_it_is_renewed(two_servers: Servers, auth_api: SignIn) -> None:
    ada = auth_api(UserFactory.create())
    open_room(ada.user)
    until = timezone.now() + timedelta(seconds=5)
    with freeze_time(until - timedelta(minutes=15)):
        old = auth_api(ada.user)
    newer = two_servers[0].send("POST", "/api/v1/auth/refresh/", json={"refresh": old.refresh}).json()["access"]

    async def scene() -> None:
        async with (
            Visitor.entered(two_servers[0], old.access) as ending,
            Visitor.entered(two_servers[0], old.access) as renewed,
        ):
            assert (await renewed.ask("auth", token=newer))["type"] == "auth.ok"
            assert (await ending.closed())[0] == 4401
            assert timezone.now() - until < timedelta(seconds=1)
            assert (await renewed.ask("ping"))["type"] == "pong"

    played(scene())


def test_everybody_hears_all_in_the_same_order_whoever_says_it_and_wherever(
    two_servers: Servers, auth_api: SignIn
) -> None:
    people = [auth_api(UserFactory.create()) for _ in range(10)]
    room = open_room(people[0].user, members=[one.user for one in people[1:]])

    async def talk(visitor: Visitor) -> None:
        for number in range(100):
            assert (await visitor.ask("message", message=str(number)))["type"] == "ack"

    async def scene() -> list[list[str]]:
        async with asyncio.TaskGroup() as tasks:
            entering = [Visitor.entered(two_servers[n % 2], one.access) for n, one in enumerate(people)]
            visitors = [await context.__aenter__() for context in entering]
            for visitor in visitors:
                tasks.create_task(talk(visitor))
        heard = [await visitor.happened(1_000) for visitor in visitors]
        for context in entering:
            await context.__aexit__(None, None, None)
        assert [[frame["seq"] for frame in frames] for frames in heard] == [
            list(range(room.last_seq + 1, room.last_seq + 1_001))
        ] * 10
        return [[frame["id"] for frame in frames] for frames in heard]

    orders = played(scene())
    assert orders == [orders[0]] * 10
    assert len(set(orders[0])) == Message.objects.count() == 1_000
    assert is_whole(room)


def test_one_client_id_is_one_message_however_often_and_wherever_it_is_sent(
    two_servers: Servers, auth_api: SignIn
) -> None:
    ada = auth_api(UserFactory.create())
    room = open_room(ada.user)

    async def scene() -> list[dict[str, Any]]:
        async with (
            Visitor.entered(two_servers[0], ada.access) as here,
            Visitor.entered(two_servers[1], ada.access) as there,
        ):
            return [
                answer
                for number in range(10)
                for answer in await asyncio.gather(
                    *(each.ask("message", message=f"{number}", client_id=f"c-{number}") for each in (here, there))
                )
            ]

    answers = played(scene())
    assert [answer["id"] for answer in answers[::2]] == [answer["id"] for answer in answers[1::2]]
    assert Message.objects.count() == 10
    assert is_whole(room)


def test_10000_messages_that_were_missed_come_in_order_and_once(two_servers: Servers, auth_api: SignIn) -> None:
    ada = auth_api(UserFactory.create())
    room = open_room(ada.user)
    for _ in range(20):
        MessageService.send_all(room_id=room.pk, drafts=[Draft(ada.user.pk, "Lamps are lit.") for _ in range(500)])

    async def scene() -> tuple[list[int], float]:
        async with Visitor.entered(two_servers[0], ada.access, query=f"after={room.last_seq}") as back:
            started = time.monotonic()
            texts = [await back.connection.recv() for _ in range(10_000)]
            took = time.monotonic() - started
            frames = [json.loads(text) for text in texts]
            live = await back.ask("message", message="Live")
            frames += [frame for frame in [*back.heard, await back.receive()] if frame["type"] == "message"]
            return [frame["seq"] for frame in frames if frame["type"] == "message"], live["seq"] and took

    seqs, took = played(scene())
    assert seqs[:10_000] == list(range(room.last_seq + 1, room.last_seq + 10_001))
    # Under one on a machine that does nothing else.
    assert took < 5


def test_whoever_does_not_read_is_closed_and_costs_the_others_nothing(two_servers: Servers, auth_api: SignIn) -> None:
    ada, bob = auth_api(UserFactory.create()), auth_api(UserFactory.create())
    room = open_room(ada.user, members=[bob.user])
    server = two_servers[0]

    def say_much() -> None:
        for _ in range(30):
            MessageService.send_all(room_id=room.pk, drafts=[Draft(ada.user.pk, "x" * 4_000) for _ in range(10)])

    async def scene() -> None:
        async with Visitor.entered(server, ada.access) as reader, opened(server, token=bob.access) as connection:
            await Visitor(connection).receive()
            connection.transport.pause_reading()
            before = psutil.Process(server.process.pid).memory_info().rss
            said = asyncio.create_task(database_sync_to_async(say_much)())
            seqs = await reader.until(room.last_seq + 300)
            await said
            assert seqs == list(range(room.last_seq + 1, room.last_seq + 301))
            assert psutil.Process(server.process.pid).memory_info().rss - before < 30 * 1024 * 1024
            connection.transport.resume_reading()
            assert (await Visitor(connection).closed())[0] == 4431

    played(scene())


def test_a_flood_of_one_is_limited_and_the_others_talk_on(two_servers: Servers, auth_api: SignIn) -> None:
    ada, bob = auth_api(UserFactory.create()), auth_api(UserFactory.create())
    open_room(ada.user, members=[bob.user])

    async def flood(visitor: Visitor) -> int:
        for number in range(1_000):
            await visitor.send("message", message=str(number))
        return (await visitor.closed())[0]

    async def scene() -> tuple[int, list[float]]:
        async with (
            Visitor.entered(two_servers[0], ada.access) as flooder,
            Visitor.entered(two_servers[0], bob.access) as other,
        ):
            flooding = asyncio.create_task(flood(flooder))
            waits = []
            for number in range(50):
                started = time.monotonic()
                assert (await other.ask("message", message=str(number)))["type"] == "ack"
                waits.append(time.monotonic() - started)
            return await flooding, sorted(waits)

    code, waits = played(scene())
    assert code == 4429
    assert waits[-2] < 1
    assert Message.objects.filter(author_id=ada.user.pk).count() <= 600
