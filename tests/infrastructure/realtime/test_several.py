import time
from typing import Any

import pytest
from django.db import transaction
from structlog.testing import capture_logs

from infrastructure import realtime
from infrastructure.realtime.pushes import PATIENCE
from tests.infrastructure.realtime.support import NEWS, hanging, told

pytestmark = pytest.mark.django_db(transaction=True)

MORE: dict[str, Any] = {"type": "more"}


def test_each_group_is_told_its_own_in_order_and_with_the_commit() -> None:
    def work() -> None:
        with transaction.atomic():
            realtime.push_to_each({"readers": [NEWS, MORE], "writers": [MORE], "nobody": []})
            realtime.push("readers", {"type": "last"})

    assert told(work, frames=3) == [NEWS, MORE, {"type": "last"}]


def test_one_group_and_none_are_no_other_case() -> None:
    def work() -> None:
        realtime.push_to_each({})
        realtime.push_to_each({"readers": [NEWS]})

    assert told(work, frames=1) == [NEWS]


def test_what_was_rolled_back_never_leaves() -> None:
    def work() -> None:
        with transaction.atomic():
            realtime.push_to_each({"readers": [MORE], "writers": [MORE]})
            transaction.set_rollback(True)
        realtime.push("readers", NEWS)

    assert told(work, frames=1) == [NEWS]


def test_what_is_not_json_fails_the_change_it_goes_with() -> None:
    with pytest.raises(TypeError), transaction.atomic():
        realtime.push_to_each({"readers": [{"type": "news", "content": object()}], "writers": [NEWS]})


def test_a_redis_that_hangs_holds_up_whoever_pushes_once_and_not_for_each_group() -> None:
    frames = {f"group-{number}": [NEWS] for number in range(20)}

    with hanging(), capture_logs() as lines:
        started = time.monotonic()
        realtime.push_to_each(frames)

    assert time.monotonic() - started < PATIENCE + 0.5
    assert [(line["event"], line["groups"]) for line in lines] == [("push_lost", 20)]
