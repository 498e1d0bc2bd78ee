"""Processes that are not our children: found, told apart from a stranger with a reused number, and ended."""

import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import psutil


def works_in(process: psutil.Process, folder: Path) -> bool | None:
    """Tell whether the folder is the working directory of a live process; None if the system does not show it."""
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return Path(process.cwd()).samefile(folder)
    except psutil.AccessDenied:
        return None
    except (psutil.Error, OSError):
        return False


def by_pid_file(path: Path) -> psutil.Process | None:
    """Return the process whose number stands in the file's first line, if there is one."""
    try:
        return psutil.Process(int(path.read_text(encoding="utf-8", errors="replace").split("\n", 1)[0]))
    except (OSError, ValueError, OverflowError, psutil.Error):
        return None


def find(name: str, belongs: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    """Return the live processes of that name which pass the test."""
    return [process for process in psutil.process_iter(["name"]) if process.info["name"] == name and belongs(process)]


def is_gone(process: psutil.Process) -> bool:
    """Tell whether the process has ended; one that only waits to be collected by its parent has."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True


def end(processes: Iterable[psutil.Process], *, first: signal.Signals = signal.SIGTERM, patience: float = 5.0) -> None:
    """Ask the processes to end, and kill those that have not after `patience` seconds."""
    waiting = list(processes)
    for step, how in enumerate((first, signal.SIGKILL)):
        for process in waiting:
            with suppress(psutil.Error):
                # A stopped process would never take notice of a request.
                process.send_signal(signal.SIGKILL if process.status() == psutil.STATUS_STOPPED else how)
        give_up = time.monotonic() + (patience, 5.0)[step]
        while waiting and time.monotonic() < give_up:
            waiting = [process for process in waiting if not is_gone(process)]
            time.sleep(0.01 if waiting else 0)
