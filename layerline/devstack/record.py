"""What a run writes down, so that a later command finds it, and what it left when it was killed."""

import os
import secrets
import signal
from contextlib import suppress
from typing import Final

import psutil

from layerline.devstack import processes
from layerline.devstack.state import State

# Every process of a run carries it in its environment; a number alone may have been given to a stranger since.
MARK: Final = "LAYERLINE_RUN"
_FILE: Final = "run.json"


def write(state: State, port: int) -> str:
    """Write down that this process runs the project; return the mark for its children."""
    mark = secrets.token_hex(16)
    state.write_json(_FILE, {"pid": os.getpid(), "port": port, "mark": mark})
    return mark


def remove(state: State) -> None:
    (state.folder / _FILE).unlink(missing_ok=True)


def pid(state: State) -> int | None:
    """Return the number of the process that runs the project, of which the lock says that it does."""
    number = state.read_json(_FILE).get("pid")
    return number if isinstance(number, int) else None


def port(state: State) -> int | None:
    """Return the port of the run's web server."""
    number = state.read_json(_FILE).get("port")
    return number if isinstance(number, int) else None


def end_orphans(state: State) -> int:
    """End what a killed run left behind; return how many processes that were."""
    mark = state.read_json(_FILE).get("mark")
    if not isinstance(mark, str):
        return 0
    orphans = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == mark and not processes.is_gone(process):
                orphans.append(process)
    processes.end(orphans, first=signal.SIGTERM, patience=5)
    remove(state)
    return len(orphans)
