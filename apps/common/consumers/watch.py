"""Whether those who are signed in at the sockets of a process still are."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from itertools import batched
from typing import Final, Protocol

from apps.common.consumers.together import PerLoop, in_thread
from apps.common.exceptions import AuthenticationError
from apps.common.handlers import error_frame
from apps.common.types import SignedIn, SocketDoor
from infrastructure import occupancy
from infrastructure.occupancy import Place
from infrastructure.redis import RedisUnavailable

# Sockets in one query.
_AT_ONCE: Final = 1_000


class Watched(Protocol):
    """A socket, as far as its session is concerned."""

    @property
    def signed_in(self) -> SignedIn: ...

    @property
    def place(self) -> Place: ...

    def goes_on(self, signed_in: SignedIn) -> None:
        """Take note of how somebody is signed in now."""

    def is_over(self) -> None:
        """Take note that somebody is signed in no longer."""


class Watch:
    """Asks the database for all sockets of a process in one query: by the clock, and at once when something is told.

    Args:
        door: Who knows whether they are.
        seconds: Between two looks at all of them.
    """

    def __init__(self, door: SocketDoor, seconds: float) -> None:
        self._door = door
        self._seconds = seconds
        self._sockets: set[Watched] = set()
        self._due: set[Watched] = set()
        self._is_due = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def add(self, socket: Watched) -> None:
        """Look at a socket now, since its session may have ended while it was opened, and from now on."""
        self._sockets.add(socket)
        self.look_at(socket)
        if self._task is None:
            self._task = asyncio.create_task(self._look())

    def remove(self, socket: Watched) -> None:
        """Look at a socket no longer."""
        self._sockets.discard(socket)
        self._due.discard(socket)
        if not self._sockets and self._task:
            self._task.cancel()
            self._task = None

    def look_at(self, socket: Watched) -> None:
        """Look at a socket as soon as possible."""
        self._due.add(socket)
        self._is_due.set()

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        all_at = loop.time() + self._seconds
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(all_at):
                    await self._is_due.wait()
            self._is_due.clear()
            if loop.time() >= all_at:
                self._due, all_at = set(self._sockets), loop.time() + self._seconds
                await self._keep_places()
            due, self._due = self._due, set()
            for some in batched(due, _AT_ONCE):
                await self._check(some)

    async def _keep_places(self) -> None:
        """Let it be known that these sockets are still open."""
        with suppress(RedisUnavailable):
            await in_thread(occupancy.keep)([socket.place for socket in self._sockets])

    async def _check(self, sockets: Iterable[Watched]) -> None:
        asked = [(socket, socket.signed_in) for socket in sockets]
        try:
            outcomes = await in_thread(self._door.standing)([signed_in for _, signed_in in asked])
        except Exception as error:  # noqa: BLE001  # logged there; a store that is away has signed nobody out
            error_frame(error)
            return
        for (socket, before), outcome in zip(asked, outcomes, strict=True):
            if socket not in self._sockets or socket.signed_in is not before:
                # Gone meanwhile, or signed in by a newer token.
                continue
            if isinstance(outcome, AuthenticationError):
                socket.is_over()
            else:
                socket.goes_on(outcome)


watches: PerLoop[tuple[SocketDoor, float], Watch] = PerLoop(lambda key: Watch(*key))
