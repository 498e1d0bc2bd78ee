"""How many threads of one process may do the same costly thing at once, and how many may wait for their turn."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class GateFull(Exception):  # noqa: N818  # named for what it tells
    """As many are inside and waiting as there is room for, or the wait was too long."""


class Gate:
    """Lets callers in by their order. The numbers come with each call, so that they may be settings."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._inside = 0
        self._waiting: list[object] = []

    @contextmanager
    def entered(self, *, at_once: int, waiting: int, seconds: float) -> Iterator[None]:
        """Be inside for the length of the block.

        Args:
            at_once: How many may be inside.
            waiting: How many may wait.
            seconds: How long each of them may.

        Raises:
            GateFull: If there is no room, or no turn in time.
        """
        self._enter(at_once, waiting, seconds)
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def _enter(self, at_once: int, waiting: int, seconds: float) -> None:
        turn = object()
        deadline = time.monotonic() + seconds
        with self._changed:
            if self._inside >= at_once or self._waiting:
                if len(self._waiting) >= waiting:
                    raise GateFull
                self._wait(turn, at_once, deadline)
            self._inside += 1

    def _wait(self, turn: object, at_once: int, deadline: float) -> None:
        self._waiting.append(turn)
        try:
            while self._inside >= at_once or self._waiting[0] is not turn:
                if not self._changed.wait(deadline - time.monotonic()):
                    raise GateFull
        finally:
            self._waiting.remove(turn)
            # The next in line may be first now.
            self._changed.notify_all()
