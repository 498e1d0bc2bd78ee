"""Looking at all things of one kind in a process by the clock, and at once at those that are doubtful."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from contextvars import Context
from itertools import batched
from typing import Final

from apps.common.handlers import error_frame

# Things in one query.
_AT_ONCE: Final = 1_000


class Rounds[Thing]:
    """Looks at many things in one go, for as long as there are any.

    Args:
        look: What is done with them; where it fails, they are looked at in the next round.
        seconds: Between two looks at all of them.
    """

    def __init__(self, look: Callable[[Sequence[Thing]], Awaitable[None]], seconds: float) -> None:
        self._look = look
        self._seconds = seconds
        self._things: set[Thing] = set()
        self._due: set[Thing] = set()
        self._is_due = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def add(self, thing: Thing) -> None:
        """Look at something from now on."""
        self._things.add(thing)
        if self._task is None:
            # In no context: what is done for all is not done by whoever came first.
            self._task = asyncio.get_running_loop().create_task(self._go(), context=Context())

    def remove(self, thing: Thing) -> None:
        """Look at something no longer."""
        self._things.discard(thing)
        self._due.discard(thing)
        if not self._things and self._task:
            self._task.cancel()
            self._task = None

    def __contains__(self, thing: Thing) -> bool:
        return thing in self._things

    def look_at(self, thing: Thing) -> None:
        """Look at something as soon as possible."""
        self._due.add(thing)
        self._is_due.set()

    async def _go(self) -> None:
        loop = asyncio.get_running_loop()
        next_round = loop.time() + self._seconds
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(next_round):
                    await self._is_due.wait()
            self._is_due.clear()
            if loop.time() >= next_round:
                self._due, next_round = set(self._things), loop.time() + self._seconds
            due, self._due = self._due & self._things, set()
            for some in batched(due, _AT_ONCE):
                try:
                    await self._look(some)
                except Exception as error:  # noqa: BLE001  # logged there; a store that is away decides nothing
                    error_frame(error)
