import asyncio
import threading
from collections.abc import Sequence

import pytest
from structlog.contextvars import bound_contextvars, get_contextvars

from apps.common.consumers import PerLoop, Together
from apps.common.exceptions import ForbiddenError


class _Work:
    """Doubles numbers, batch by batch; each batch waits until it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.requests: list[object] = []
        self.go = threading.Event()
        self.go.set()

    def __call__(self, items: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(items))
        self.requests.append(get_contextvars().get("request_id"))
        assert self.go.wait(5)
        if 13 in items:
            raise RuntimeError
        return [ForbiddenError() if item < 0 else 2 * item for item in items]


def test_one_alone_waits_for_nobody() -> None:
    work = _Work()

    async def scene() -> int:
        return await Together(work)(4)

    assert asyncio.run(scene()) == 8
    assert work.batches == [[4]]


def test_what_comes_while_others_are_being_done_is_done_together_and_in_order() -> None:
    work = _Work()
    work.go.clear()

    async def scene() -> list[int]:
        together = Together(work, at_most=3)
        asking = [asyncio.create_task(together(number)) for number in range(8)]
        await asyncio.sleep(0.05)
        work.go.set()
        return await asyncio.gather(*asking)

    assert asyncio.run(scene()) == [0, 2, 4, 6, 8, 10, 12, 14]
    assert work.batches == [[0], [1, 2, 3], [4, 5, 6], [7]]


def test_the_error_of_one_is_his_alone() -> None:
    work = _Work()
    work.go.clear()

    async def scene() -> list[int | BaseException]:
        together = Together(work)
        asking = [asyncio.create_task(together(number)) for number in (1, 2, -3, 4)]
        await asyncio.sleep(0.05)
        work.go.set()
        return await asyncio.gather(*asking, return_exceptions=True)

    outcomes = asyncio.run(scene())
    assert outcomes[:2] == [2, 4]
    assert isinstance(outcomes[2], ForbiddenError)
    assert outcomes[3] == 8


def test_a_fault_of_the_work_is_told_to_each_and_the_next_ones_are_done() -> None:
    work = _Work()

    async def scene() -> int:
        together = Together(work)
        with pytest.raises(RuntimeError):
            await together(13)
        return await together(1)

    assert asyncio.run(scene()) == 2


def test_whoever_is_gone_holds_up_nobody() -> None:
    work = _Work()
    work.go.clear()

    async def scene() -> int:
        together = Together(work)
        gone, here = asyncio.create_task(together(1)), asyncio.create_task(together(2))
        await asyncio.sleep(0.05)
        gone.cancel()
        work.go.set()
        return await here

    assert asyncio.run(scene()) == 4
    assert work.batches == [[1], [2]]


def test_a_batch_is_done_in_the_name_of_its_first() -> None:
    work = _Work()

    async def ask(together: Together[int, int], name: str) -> None:
        with bound_contextvars(request_id=name):
            await together(1)

    async def scene() -> None:
        together = Together(work)
        await asyncio.gather(*(ask(together, name) for name in ("a", "b", "c")))

    asyncio.run(scene())
    assert work.requests == ["a", "b"]


def test_each_event_loop_has_values_of_its_own() -> None:
    values: PerLoop[str, list[str]] = PerLoop(lambda key: [key])

    async def scene() -> None:
        assert values.all() == []
        first = values.of("a")
        assert values.of("a") is first
        assert values.of("b") == ["b"]
        assert values.all() == [["a"], ["b"]]
        values.forget("a")
        values.forget("nobody")
        assert values.of("a") is not first

    asyncio.run(scene())
    asyncio.run(scene())
