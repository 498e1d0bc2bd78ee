import asyncio
from collections.abc import Sequence

from structlog.testing import capture_logs

from apps.common.consumers import Rounds


class _Looks:
    """Remembers what is looked at, and fails at the first look if it is told to."""

    def __init__(self, *, fails: bool = False) -> None:
        self.seen: list[set[str]] = []
        self._fails = fails
        self._changed = asyncio.Event()

    async def __call__(self, things: Sequence[str]) -> None:
        self.seen.append(set(things))
        self._changed.set()
        if self._fails and len(self.seen) == 1:
            raise TimeoutError

    async def until(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.seen) < count:
                self._changed.clear()
                await self._changed.wait()


def test_all_things_are_looked_at_by_the_clock() -> None:
    async def scene() -> None:
        looks = _Looks()
        rounds = Rounds(looks, 0.05)
        for thing in "abc":
            rounds.add(thing)
        await looks.until(2)
        rounds.remove("b")
        await looks.until(len(looks.seen) + 1)
        for thing in "ac":
            rounds.remove(thing)
        assert looks.seen[:2] == [{"a", "b", "c"}] * 2
        assert looks.seen[-1] == {"a", "c"}

    asyncio.run(scene())


def test_what_is_doubtful_is_looked_at_at_once_and_alone() -> None:
    async def scene() -> None:
        looks = _Looks()
        rounds = Rounds(looks, 60)
        for thing in "abc":
            rounds.add(thing)
        rounds.look_at("b")
        rounds.look_at("nobody")
        await looks.until(1)
        assert looks.seen == [{"b"}]
        assert "b" in rounds
        assert "nobody" not in rounds
        for thing in "abc":
            rounds.remove(thing)

    asyncio.run(scene())


def test_a_look_that_fails_is_logged_and_the_next_one_is_taken() -> None:
    async def scene() -> None:
        looks = _Looks(fails=True)
        rounds = Rounds(looks, 0.05)
        rounds.add("a")
        await looks.until(2)
        rounds.remove("a")
        assert looks.seen == [{"a"}, {"a"}]

    with capture_logs() as lines:
        asyncio.run(scene())
    assert [line["event"] for line in lines] == ["unhandled_exception"]


def test_rounds_begin_again_with_the_next_thing() -> None:
    async def scene() -> None:
        looks = _Looks()
        rounds = Rounds(looks, 0.05)
        for thing in "ab":
            rounds.add(thing)
            await looks.until(len(looks.seen) + 1)
            rounds.remove(thing)
        assert looks.seen[0] == {"a"}
        assert looks.seen[-1] == {"b"}

    asyncio.run(scene())
