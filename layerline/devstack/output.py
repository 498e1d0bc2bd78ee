"""Lines of several programs in one terminal, each with the name of its program before it."""

import os
import re
import sys
from contextlib import suppress
from threading import Lock
from typing import Final

_COLOURS: Final = {"web": "36", "worker": "35", "beat": "33", "migrate": "32", "run": "1"}
# What a terminal takes as a colour, and a file as noise.
_ESCAPES: Final = re.compile(r"\x1b\[[0-9;]*m")


class Output:
    """Standard output, shared by threads."""

    def __init__(self) -> None:
        self.coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self._lock = Lock()
        self._width = max(map(len, _COLOURS))

    def line(self, name: str, text: str) -> None:
        """Print one line of the named program."""
        prefix = f"{name:<{self._width}} |"
        if self.coloured:
            prefix = f"\x1b[{_COLOURS.get(name, '0')}m{prefix}\x1b[0m"
        self.plain(f"{prefix} {text}")

    def plain(self, text: str) -> None:
        """Print text as it is. A terminal that was closed is no reason to leave anything undone."""
        if not self.coloured:
            text = _ESCAPES.sub("", text)
        with self._lock, suppress(OSError, ValueError):
            print(text, flush=True)
