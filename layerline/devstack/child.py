"""One program of a run: started in a group of its own, its output passed on, ended with all that it started."""

import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import IO, Final

from layerline.devstack.output import Output

_KEPT_LINES: Final = 20


class Child:
    """A program that can be started again."""

    def __init__(self, name: str, command: Sequence[str], *, root: Path, output: Output) -> None:
        self.name = name
        self.last_lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._command = list(command)
        self._root = root
        self._output = output
        self._process: subprocess.Popen[str] | None = None
        self._reader: Thread | None = None
        self._started = 0.0

    def start(self, environment: Mapping[str, str]) -> None:
        """Start the program in a session of its own: Ctrl-C in the terminal is for the supervisor alone."""
        self.last_lines.clear()
        self._started = time.monotonic()
        self._process = process = subprocess.Popen(
            self._command,
            cwd=self._root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self._reader = Thread(target=self._pass_on, args=[process.stdout], name=f"output of {self.name}", daemon=True)
        self._reader.start()

    @property
    def uptime(self) -> float:
        """Seconds since the last start."""
        return time.monotonic() - self._started

    def exit_code(self) -> int | None:
        """Return the code it ended with, negative for a signal; None while it runs or before it was started."""
        return self._process.poll() if self._process is not None else None

    def wait_for_output(self) -> None:
        """Wait a moment for the last lines of an ended program."""
        if self._reader is not None:
            self._reader.join(timeout=1)

    def signal_group(self, which: signal.Signals) -> None:
        """Send a signal to the program and to all that it started."""
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, which)

    def ask_to_end(self) -> None:
        """Let the program end in good order; it passes the word on to what it started."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def wait(self, patience: float) -> bool:
        """Return whether the program has ended, waiting for at most `patience` seconds."""
        if self._process is None:
            return True
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=patience)
        return self._process.returncode is not None

    def end(self, patience: float) -> None:
        """End the program and all that it started, with force after `patience` seconds."""
        self.ask_to_end()
        self.wait(patience)
        self.signal_group(signal.SIGKILL)
        self.wait(patience)
        self.wait_for_output()

    def _pass_on(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                self.last_lines.append(line.rstrip("\n"))
                self._output.line(self.name, line.rstrip("\n"))
