import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from threading import Thread

import pytest
import structlog
from django.conf import settings
from django.db import connection, transaction
from structlog.testing import capture_logs

from infrastructure import realtime
from infrastructure.realtime.pushes import FRAME_BYTES, PATIENCE
from tests.infrastructure.realtime.support import LAYERS, NEWS, hanging, layer, refusing, told

pytestmark = pytest.mark.django_db(transaction=True)

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


def _elsewhere(work: Callable[[], None]) -> None:
    """Do something in a thread with a connection of its own."""

    def do() -> None:
        work()
        connection.close()

    thread = Thread(target=do)
    thread.start()
    thread.join()


def test_a_frame_is_heard_by_whoever_listens_to_its_group() -> None:
    def work() -> None:
        realtime.push("writers", NEWS)
        realtime.push("readers", NEWS)
        realtime.push("readers", {"type": "more", "ids": ["1"]})

    assert told(work, frames=2) == [NEWS, {"type": "more", "ids": ["1"]}]


def test_frames_that_are_pushed_together_are_heard_one_by_one_and_in_order() -> None:
    frames = [{"type": "news", "number": number, "text": "one\ntwo"} for number in range(50)]

    assert told(lambda: realtime.push("readers", *frames), frames=50) == frames


def test_whoever_listens_to_several_groups_hears_each() -> None:
    def work() -> None:
        for group in ("a", "b"):
            realtime.push(group, {"type": group})

    assert told(work, frames=2, groups=("a", "b")) == [{"type": "a"}, {"type": "b"}]


@pytest.mark.parametrize("name", LAYERS)
def test_a_push_goes_over_any_channel_layer(name: str) -> None:
    with layer(name):
        assert told(lambda: realtime.push("readers", NEWS, {"type": "more"}), frames=2) == [NEWS, {"type": "more"}]


def test_a_frame_leaves_with_the_commit_and_not_before() -> None:
    def work() -> None:
        with transaction.atomic():
            realtime.push("readers", {"type": "with the commit"})
            _elsewhere(lambda: realtime.push("readers", {"type": "before"}))

    assert told(work, frames=2) == [{"type": "before"}, {"type": "with the commit"}]


def test_a_frame_of_what_was_rolled_back_never_leaves() -> None:
    def work() -> None:
        with transaction.atomic():
            realtime.push("readers", {"type": "rolled back"})
            transaction.set_rollback(True)
        realtime.push("readers", NEWS)

    assert told(work, frames=1) == [NEWS]


@pytest.mark.parametrize("content", [object(), {1, 2}, float("nan"), float("inf")])
def test_a_frame_that_is_not_json_fails_the_change_it_goes_with(content: object) -> None:
    with pytest.raises((TypeError, ValueError)), transaction.atomic():
        realtime.push("readers", {"type": "news", "content": content})


def test_a_frame_that_is_too_large_fails_the_change_it_goes_with() -> None:
    room = FRAME_BYTES - len(json.dumps({"type": "news", "text": ""}))

    with pytest.raises(ValueError, match="65536"):
        realtime.push("readers", NEWS, {"type": "news", "text": "x" * (room + 1)})

    (heard,) = told(lambda: realtime.push("readers", {"type": "news", "text": "x" * room}), frames=1)
    assert len(heard["text"]) == room


def test_a_frame_carries_the_id_of_the_request_that_led_to_it() -> None:
    def work() -> None:
        with structlog.contextvars.bound_contextvars(request_id="r-1"):
            realtime.push("readers", NEWS)

    assert told(work, frames=1) == [{**NEWS, "request_id": "r-1"}]


def test_a_push_to_a_redis_that_refuses_is_lost_and_fails_nobody() -> None:
    with refusing(), capture_logs() as lines:
        started = time.monotonic()
        realtime.push("readers", NEWS)

    assert time.monotonic() - started < 1
    assert [(line["event"], line["group"], line["cause"]) for line in lines] == [
        ("push_lost", "readers", "RedisUnavailable")
    ]


def test_a_redis_that_hangs_holds_up_whoever_pushes_for_a_second_at_most() -> None:
    with hanging(), capture_logs() as lines:
        started = time.monotonic()
        realtime.push("readers", NEWS)

    assert time.monotonic() - started < PATIENCE + 0.5
    assert [line["event"] for line in lines] == ["push_lost"]


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

    assert told(work, frames=2) == [{"type": "parent"}, {"type": "child"}]
