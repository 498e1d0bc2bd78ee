import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from infrastructure.realtime.frames import Prepared
from infrastructure.realtime.outlets import BACKLOG, DROP_BACKLOG, FRAMES, Outlet, outlet_of


@dataclass
class Server:
    """Takes what is written at once, or keeps it waiting; both ways in which a server may."""

    way: str
    texts: list[str] = field(default_factory=list)
    waiting: list[bytes] = field(default_factory=list)
    overflows: int = 0
    fails: bool = False

    def __post_init__(self) -> None:
        self._reads = asyncio.Event()
        self._reads.set()

    @property
    def backlog(self) -> int:
        return sum(map(len, self.waiting))

    def write_frame(self, frame: bytes, limit: int) -> bool:
        if self.backlog + len(frame) > limit:
            return False
        self.waiting.append(frame)
        if self._reads.is_set():
            self._take()
        return True

    async def drained(self) -> None:
        await self._reads.wait()

    async def send(self, event: dict[str, Any]) -> None:
        await self._reads.wait()
        if self.fails:
            raise OSError("gone")
        self.texts.append(event["text"])

    def outlet(self) -> Outlet:
        return outlet_of({"extensions": {FRAMES: self} if self.way == "frames" else {}}, self.send, self._overflow)

    def stop_reading(self) -> None:
        self._reads.clear()

    async def read(self) -> None:
        self._reads.set()
        self._take()
        await asyncio.sleep(0.01)

    def _take(self) -> None:
        self.texts += [frame[-int(frame[1]) :].decode() if frame[1] < 126 else "long" for frame in self.waiting]
        self.waiting.clear()

    def _overflow(self) -> None:
        self.overflows += 1


pytestmark = pytest.mark.parametrize("way", ["frames", "texts"])
type Scene = Callable[[Server, Outlet], Any]


def _play(scene: Scene, way: str) -> Server:
    async def play() -> Server:
        server = Server(way)
        outlet = server.outlet()
        await scene(server, outlet)
        outlet.close()
        return server

    return asyncio.run(play())


def test_what_is_written_is_sent_at_once(way: str) -> None:
    async def scene(server: Server, outlet: Outlet) -> None:
        outlet.write(Prepared("a"))
        outlet.write(Prepared("b"))
        assert server.texts == ["a", "b"]
        assert outlet.backlog == 0

    _play(scene, way)


def test_what_waits_is_sent_in_order_when_the_reader_reads_again(way: str) -> None:
    async def scene(server: Server, outlet: Outlet) -> None:
        server.stop_reading()
        for text in "abc":
            outlet.write(Prepared(text))
        assert server.texts == []
        assert outlet.backlog == 9
        await server.read()
        outlet.write(Prepared("d"))
        assert outlet.backlog == 0

    assert _play(scene, way).texts == ["a", "b", "c", "d"]


def test_the_end_of_the_backlog_can_be_waited_for(way: str) -> None:
    async def scene(server: Server, outlet: Outlet) -> None:
        await outlet.drained()
        server.stop_reading()
        outlet.write(Prepared("a"))
        waiting = asyncio.ensure_future(outlet.drained())
        await asyncio.sleep(0.01)
        assert not waiting.done()
        await server.read()
        await asyncio.wait_for(waiting, 1)

    assert _play(scene, way).texts == ["a"]


def test_what_is_held_goes_out_after_what_comes_before_it(way: str) -> None:
    async def scene(server: Server, outlet: Outlet) -> None:
        outlet.hold()
        outlet.write(Prepared("pushed"))
        assert outlet.backlog == 8
        await server.send({"text": "answer"})
        outlet.release()
        outlet.write(Prepared("later"))
        assert outlet.backlog == 0

    assert _play(scene, way).texts == ["answer", "pushed", "later"]


@pytest.mark.parametrize("reason", ["held", "not read"])
def test_no_more_than_the_backlog_is_kept_and_the_end_of_it_told_once(way: str, reason: str) -> None:
    text = Prepared("x" * 1_020)

    async def scene(server: Server, outlet: Outlet) -> None:
        server.stop_reading()
        if reason == "held":
            outlet.hold()
        for _ in range(BACKLOG // len(text.frame)):
            outlet.write(text)
        assert outlet.backlog == BACKLOG
        assert server.overflows == 0
        outlet.write(text)
        assert server.overflows == 1
        outlet.write(text)
        outlet.release()
        assert server.overflows == 1
        assert outlet.backlog <= BACKLOG

    _play(scene, way)


def test_nothing_is_sent_to_whoever_fell_behind(way: str) -> None:
    async def scene(server: Server, outlet: Outlet) -> None:
        outlet.hold()
        for _ in range(5):
            outlet.write(Prepared("x" * 60_000))
        outlet.release()
        outlet.write(Prepared("more"))

    server = _play(scene, way)
    assert server.overflows == 1
    assert server.texts == []


def test_what_may_be_left_out_is_left_out_first(way: str) -> None:
    async def scene(server: Server, outlet: Outlet) -> None:
        server.stop_reading()
        outlet.write(Prepared("typing"), droppable=True)
        outlet.write(Prepared("x" * DROP_BACKLOG))
        before = outlet.backlog
        outlet.write(Prepared("typing"), droppable=True)
        assert outlet.backlog == before
        outlet.write(Prepared("news"))
        assert outlet.backlog == before + len(Prepared("news").frame)

    assert _play(scene, way).overflows == 0


def test_nothing_is_written_after_the_end(way: str) -> None:
    async def scene(server: Server, outlet: Outlet) -> None:
        outlet.hold()
        outlet.write(Prepared("held"))
        outlet.close()
        outlet.release()
        outlet.write(Prepared("late"))

    assert _play(scene, way).texts == []


def test_a_socket_that_is_gone_fails_nobody_who_writes(way: str) -> None:
    async def scene(server: Server, outlet: Outlet) -> None:
        server.fails = True
        outlet.write(Prepared("a"))
        outlet.write(Prepared("b"))
        await outlet.drained()

    assert _play(scene, way).overflows == 0


def test_an_end_leaves_no_task_behind(way: str) -> None:
    async def scene(server: Server, outlet: Outlet) -> None:
        server.stop_reading()
        outlet.write(Prepared("a"))
        outlet.close()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    _play(scene, way)
