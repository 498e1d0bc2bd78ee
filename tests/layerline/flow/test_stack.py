import asyncio
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

import pytest

from layerline.flow import stack
from layerline.flow.layers import House, Layer
from layerline.flow.stack import Frame, entrance


def inside(name: str) -> stack.Label:
    return lambda _args: Frame(Layer.SERVICE, name, module=__name__, own=True)


def names() -> list[str]:
    frame = stack.current()
    return [around.name for around in frame.outwards()] if frame else []


def test_a_call_stands_on_the_stack_while_it_runs_and_those_around_it_too() -> None:
    inner = entrance(names, inside("inner"))
    outer = entrance(lambda: (inner(), names()), inside("outer"))

    assert outer() == (["inner", "outer"], ["outer"])
    assert names() == []


def test_an_error_leaves_the_stack_as_it_was_and_its_mark_on_the_frame() -> None:
    frames: list[Frame] = []

    def fail() -> None:
        frames.append(stack.current())  # type: ignore[arg-type]  # it stands in one
        raise LookupError

    with pytest.raises(LookupError):
        entrance(fail, inside("failing"))()

    assert names() == []
    assert isinstance(frames[0].error, LookupError)
    assert frames[0].left


def test_a_label_of_none_is_no_entrance() -> None:
    assert entrance(names, lambda _args: None)() == []


def test_a_coroutine_stands_on_the_stack_while_it_is_awaited_and_not_before() -> None:
    async def work() -> list[str]:
        await asyncio.sleep(0)
        return names()

    def starts_work() -> Any:
        return work()

    async def run(function: Any) -> tuple[list[str], list[str], list[str]]:
        coroutine = entrance(function, inside("async"))()
        before = names()
        return before, await coroutine, names()

    assert asyncio.run(run(work)) == ([], ["async"], [])
    assert asyncio.run(run(starts_work)) == ([], ["async"], [])


def test_the_stack_goes_with_tasks_and_threads_of_asyncio() -> None:
    async def work() -> tuple[list[str], list[str]]:
        return await asyncio.create_task(_names_later()), await asyncio.to_thread(names)

    assert asyncio.run(entrance(work, inside("async"))()) == (["async"], ["async"])


async def _names_later() -> list[str]:
    await asyncio.sleep(0)
    return names()


class TestGenerator:
    def test_stands_on_the_stack_in_its_steps_and_not_between_them(self) -> None:
        def numbers() -> Iterator[list[str]]:
            yield names()
            yield names()

        iterator = entrance(numbers, inside("generator"))()

        assert names() == []
        assert next(iterator) == ["generator"]
        assert names() == []
        assert list(iterator) == [["generator"]]

    def test_is_sent_to_thrown_into_and_closed_as_without_an_entrance(self) -> None:
        closed: list[list[str]] = []

        def echo() -> Generator[Any, Any, str]:
            try:
                said = yield "ready"
                try:
                    yield said
                except LookupError:
                    yield "caught"
                return "returned"
            finally:
                closed.append(names())

        made: Any = entrance(echo, inside("generator"))

        iterator = made()
        assert (next(iterator), iterator.send("hello"), iterator.throw(LookupError())) == ("ready", "hello", "caught")
        with pytest.raises(StopIteration, match="returned"):
            next(iterator)

        iterator = made()
        next(iterator)
        iterator.close()
        assert len(closed) == 2

    def test_that_is_asynchronous_does_the_same(self) -> None:
        async def numbers() -> AsyncIterator[list[str]]:
            yield names()
            await asyncio.sleep(0)
            yield names()

        async def run() -> list[list[str]]:
            seen = []
            async for inner in entrance(numbers, inside("generator"))():
                seen += [inner, names()]
            return seen

        assert asyncio.run(run()) == [["generator"], [], ["generator"], []]


@pytest.mark.parametrize(
    ("module", "layer"),
    [
        ("house.users.services", Layer.SERVICE),
        ("house.users.services.sessions", Layer.SERVICE),
        ("house.users.selectors", Layer.SELECTOR),
        ("house.users.views", None),
        ("house.users.tests.services", None),
        ("house.services", None),
        ("household.users.services", None),
        ("services", None),
    ],
)
def test_a_module_tells_its_layer_by_its_place_in_a_slice(module: str, layer: Layer | None) -> None:
    assert House(("house",)).namespace(module) == layer
