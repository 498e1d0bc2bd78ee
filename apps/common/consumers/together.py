"""Work of many sockets of one process, done together."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from typing import Any, Final
from weakref import WeakKeyDictionary

from channels.db import database_sync_to_async

# Enough for a database that takes its time, and less than its connections.
_THREADS: Final = 4
_pool: Final = ThreadPoolExecutor(_THREADS, thread_name_prefix="sockets")


def in_thread[**P, Result](work: Callable[P, Result]) -> Callable[P, Coroutine[Any, Any, Result]]:
    """Return a call of a service or selector that leaves the event loop to others meanwhile.

    `database_sync_to_async` by itself has one thread for the whole process.
    """
    called: Any = database_sync_to_async(work, thread_sensitive=False, executor=_pool)
    return called  # type: ignore[no-any-return]  # of the same signature, which its types do not tell


class PerLoop[Key, Value]:
    """One value for each key in each event loop: what a process has once, and a test run several times."""

    def __init__(self, make: Callable[[Key], Value]) -> None:
        self._make = make
        self._values: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Key, Value]] = WeakKeyDictionary()

    def of(self, key: Key) -> Value:
        """Return the value of a key, which is made when it is asked for first."""
        values = self._values.setdefault(asyncio.get_running_loop(), {})
        if key not in values:
            values[key] = self._make(key)
        return values[key]

    def all(self) -> list[Value]:
        """Return every value of this event loop."""
        return list(self._values.get(asyncio.get_running_loop(), {}).values())

    def forget(self, key: Key) -> None:
        """Drop the value of a key, if there is one."""
        self._values.get(asyncio.get_running_loop(), {}).pop(key, None)


class Together[Item, Result]:
    """Does in one go what waits: while it is being done, the next ones gather. Nothing waits for company.

    Args:
        work: Called in a thread with what waited; returns as many results, of which each may be an error.
        at_most: So many at a time.
    """

    def __init__(self, work: Callable[[Sequence[Item]], Sequence[Result | Exception]], *, at_most: int = 50) -> None:
        self._work = work
        self._at_most = at_most
        self._waiting: deque[tuple[Item, asyncio.Future[Result], Context]] = deque()
        self._running: asyncio.Task[None] | None = None

    async def __call__(self, item: Item) -> Result:
        """Return what came of an item, or raise its error."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future, copy_context()))
        if self._running is None:
            self._begin()
        return await future

    def _begin(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._at_most))]
        work = self._do([(item, future) for item, future, _ in batch])
        # As if the first of them did it: a trace shows it there, and the log names that frame.
        self._running = asyncio.get_running_loop().create_task(work, context=batch[0][2])

    async def _do(self, batch: Sequence[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await in_thread(self._work)([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001  # each of them is told
            results = [error] * len(batch)
        self._running = None
        if self._waiting:
            self._begin()
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():
                # Whoever asked is gone.
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
