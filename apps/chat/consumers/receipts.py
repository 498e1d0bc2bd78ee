import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from apps.common.exceptions import AppException

# Seconds between two times that somebody is told how far somebody has read.
PAUSE: Final = 1.0


class Receipts:
    """How far somebody has read: stored and told once a second at most, the last of it in the end.

    Args:
        keep: Stores and tells a number.
    """

    def __init__(self, keep: Callable[[int], Awaitable[None]]) -> None:
        self._keep = keep
        self._seq = self._kept = -1
        self._later: asyncio.Task[None] | None = None

    async def note(self, seq: int) -> None:
        """Take note of a number; a lower one than before tells nothing.

        Raises:
            AppException: If it is kept at once, and that is refused.
        """
        self._seq = max(self._seq, seq)
        if self._later is None and self._seq > self._kept:
            self._later = asyncio.create_task(self._keep_later())
            await self._keep_now()

    async def close(self) -> None:
        """Keep what is not kept yet."""
        if self._later:
            self._later.cancel()
        if self._seq > self._kept:
            await self._keep_quietly()

    async def _keep_later(self) -> None:
        await asyncio.sleep(PAUSE)
        while self._seq > self._kept:
            await self._keep_quietly()
            await asyncio.sleep(PAUSE)
        self._later = None

    async def _keep_quietly(self) -> None:
        try:
            await self._keep_now()
        except AppException:
            # Taken out of the room meanwhile, of which the socket hears otherwise.
            return

    async def _keep_now(self) -> None:
        self._kept = self._seq
        await self._keep(self._kept)
