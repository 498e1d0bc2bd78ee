import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import structlog
from channels.db import database_sync_to_async
from django.conf import settings
from django.db import connection, transaction
from django.test import override_settings
from structlog.testing import capture_logs

from infrastructure import realtime
from infrastructure.realtime import RealtimeUnavailable
from tests.infrastructure.support import Server, unused_port

pytestmark = pytest.mark.django_db(transaction=True)

NEWS = {"type": "news"}

_FORK = """
import os, warnings, django
django.setup()
from django.db import connection
from infrastructure import realtime
realtime.push("readers", {"type": "parent"})
connection.close()
connection.close_pool()
warnings.simplefilter("ignore")
child = os.fork()
if not child:
    realtime.push("readers", {"type": "child"})
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""


@contextmanager
def _redis_at(port: int) -> Iterator[None]:
    """Let the channel layer talk to another port of this machine."""
    layers: Any = deepcopy(settings.CHANNEL_LAYERS)
    layers["default"]["CONFIG"]["hosts"][0]["address"] = f"redis://127.0.0.1:{port}/0"
    with override_settings(CHANNEL_LAYERS=layers):
        yield


@contextmanager
def _refusing() -> Iterator[None]:
    with _redis_at(unused_port()):
        yield


@contextmanager
def _hanging() -> Iterator[None]:
    with socket.create_server(("127.0.0.1", 0)) as server, _redis_at(server.getsockname()[1]):
        yield


def _elsewhere(work: Callable[[], None]) -> None:
    """Do something in a thread with a connection of its own."""

    def do() -> None:
        work()
        connection.close()

    thread = Thread(target=do)
    thread.start()
    thread.join()


async def _heard(texts: Any, frames: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(5):
        return [json.loads(await anext(texts)) for _ in range(frames)]


def _told(work: Callable[[], None], *, frames: int, groups: tuple[str, ...] = ("readers",)) -> list[dict[str, Any]]:
    """Return the first frames that someone hears who listens to the groups while the work is done."""

    async def listen() -> list[dict[str, Any]]:
        async with realtime.listening(groups) as texts:
            await database_sync_to_async(work)()
            return await _heard(texts, frames)

    return asyncio.run(listen())


def test_a_frame_is_heard_by_whoever_listens_to_its_group() -> None:
    def work() -> None:
        realtime.push("writers", NEWS)
        realtime.push("readers", NEWS)
        realtime.push("readers", {"type": "more", "ids": ["1"]})

    assert _told(work, frames=2) == [NEWS, {"type": "more", "ids": ["1"]}]


def test_whoever_listens_to_several_groups_hears_each() -> None:
    def work() -> None:
        for group in ("a", "b"):
            realtime.push(group, {"type": group})

    assert _told(work, frames=2, groups=("a", "b")) == [{"type": "a"}, {"type": "b"}]


def test_a_frame_leaves_with_the_commit_and_not_before() -> None:
    def work() -> None:
        with transaction.atomic():
            realtime.push("readers", {"type": "with the commit"})
            _elsewhere(lambda: realtime.push("readers", {"type": "before"}))

    assert _told(work, frames=2) == [{"type": "before"}, {"type": "with the commit"}]


def test_a_frame_of_what_was_rolled_back_never_leaves() -> None:
    def work() -> None:
        with transaction.atomic():
            realtime.push("readers", {"type": "rolled back"})
            transaction.set_rollback(True)
        realtime.push("readers", NEWS)

    assert _told(work, frames=1) == [NEWS]


@pytest.mark.parametrize("content", [object(), {1, 2}, float("nan"), float("inf")])
def test_a_frame_that_is_not_json_fails_the_change_it_goes_with(content: object) -> None:
    with pytest.raises((TypeError, ValueError)), transaction.atomic():
        realtime.push("readers", {"type": "news", "content": content})


def test_a_frame_carries_the_id_of_the_request_that_led_to_it() -> None:
    def work() -> None:
        with structlog.contextvars.bound_contextvars(request_id="r-1"):
            realtime.push("readers", NEWS)

    assert _told(work, frames=1) == [{**NEWS, "request_id": "r-1"}]


def test_a_push_to_a_redis_that_refuses_is_lost_and_fails_nobody() -> None:
    with _refusing(), capture_logs() as lines:
        started = time.monotonic()
        realtime.push("readers", NEWS)

    assert time.monotonic() - started < 1
    assert [(line["event"], line["group"], line["cause"]) for line in lines] == [
        ("push_lost", "readers", "RedisUnavailable")
    ]


def test_a_redis_that_hangs_holds_up_whoever_pushes_for_a_second_at_most() -> None:
    with _hanging(), capture_logs() as lines:
        started = time.monotonic()
        realtime.push("readers", NEWS)

    assert time.monotonic() - started < realtime.PATIENCE + 0.5
    assert [line["event"] for line in lines] == ["push_lost"]


@pytest.mark.parametrize("away", [_refusing, _hanging])
def test_nothing_can_be_heard_while_redis_is_away(away: Callable[[], AbstractContextManager[None]]) -> None:
    async def listen() -> None:
        async with realtime.listening(["readers"]):
            pass

    with away(), pytest.raises(RealtimeUnavailable):
        asyncio.run(listen())


@pytest.mark.slow
def test_whoever_listens_hears_again_after_redis_was_restarted(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.start()

    async def listen() -> list[dict[str, Any]]:
        async with realtime.listening(["readers"]) as texts:
            await database_sync_to_async(realtime.push)("readers", {"type": "before"})
            heard = await _heard(texts, 1)
            server.kill()
            server.start()
            later = asyncio.ensure_future(_heard(texts, 1))
            while not later.done():
                await database_sync_to_async(realtime.push)("readers", {"type": "after"})
                await asyncio.sleep(0.2)
            return heard + await later

    with _redis_at(server.port):
        assert asyncio.run(listen()) == [{"type": "before"}, {"type": "after"}]
    server.kill()


@pytest.mark.slow
def test_a_process_that_was_forked_after_a_push_pushes_by_itself() -> None:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.e2e.settings",
        "E2E_REDIS_KEY_PREFIX": settings.REDIS_KEY_PREFIX,
        "SMTP_PORT": "0",
    }

    def work() -> None:
        subprocess.run([sys.executable, "-c", _FORK], env=environment, check=True, timeout=30)

    assert _told(work, frames=2) == [{"type": "parent"}, {"type": "child"}]
