"""Clients that go on asking while something happens to the servers."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

_PAUSE: Final = 0.05

type Act = Callable[[], int]


@dataclass
class Load:
    """What some clients were answered.

    Args:
        outcomes: How often each act had each status; 0 where there was no answer.
        slowest: The longest that any of them waited, in seconds.
    """

    outcomes: Counter[tuple[str, int]] = field(default_factory=Counter)
    slowest: float = 0
    faults: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def total(self) -> int:
        return sum(self.outcomes.values())

    def failed(self) -> dict[tuple[str, int], int]:
        """Return what was no success."""
        return {key: count for key, count in self.outcomes.items() if not 200 <= key[1] < 300}

    def note(self, name: str, status: int, seconds: float) -> None:
        with self._lock:
            self.outcomes[name, status] += 1
            self.slowest = max(self.slowest, seconds)


@contextmanager
def load(**acts: Act) -> Iterator[Load]:
    """Do each act again and again, each in a thread of its own, until the end of the block."""
    told, is_over = Load(), threading.Event()

    def go_on(name: str, act: Act) -> None:
        while not is_over.is_set():
            started = time.monotonic()
            try:
                status = act()
            except Exception as error:  # noqa: BLE001  # whatever it is, a client would not have got its answer
                told.faults.append(f"{name}: {error!r}")
                status = 0
            told.note(name, status, time.monotonic() - started)
            # The proxy lets an address have 50 requests a second.
            time.sleep(_PAUSE)

    threads = [threading.Thread(target=go_on, args=item) for item in acts.items()]
    for thread in threads:
        thread.start()
    try:
        yield told
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
