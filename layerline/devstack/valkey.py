"""The embedded Valkey: one server in `.dev/valkey`, on a port of its own, behind a name and a password."""

import socket
import subprocess
import time
from hashlib import sha256
from typing import Final

import psutil

from layerline.devstack import binaries, ports, processes
from layerline.devstack.errors import DevstackError
from layerline.devstack.state import USER, State

_PROGRAM: Final = "valkey-server"
_ATTEMPTS: Final = 5
_BIND_PATIENCE: Final = 5.0
_LOAD_PATIENCE: Final = 60.0
_LOG_LIMIT: Final = 4 * 1024 * 1024
# Paths are relative to the folder that the server starts in: nothing to quote, whatever the project's path holds.
_SETTINGS: Final = """\
bind 127.0.0.1
port {port}
daemonize yes
dir .
pidfile valkey.pid
logfile valkey.log
loglevel warning
databases 16
save ""
appendonly yes
appendfsync everysec
user default off
user {user} on #{password_hash} ~* &* +@all
"""


class Valkey:
    """Starts, finds again and stops the server. Callers hold the lock of the state."""

    name = "Valkey"

    def __init__(self, state: State) -> None:
        self._state = state
        self.folder = state.folder / "valkey"

    @property
    def url(self) -> str:
        """The address that clients use."""
        return f"redis://{USER}:{self._state.secret()}@{ports.HOST}:{self._state.port('valkey')}/0"

    def ensure(self) -> bool:
        """Make the server answer: the one that runs, or else a new one. Return whether it was started.

        Raises:
            DevstackError: If it cannot be made to.
        """
        if self._adopt():
            return False
        self._start()
        return True

    def is_running(self) -> bool:
        """Tell whether the server's process is alive."""
        return self._process() is not None

    def stop(self) -> None:
        """Stop the server; what it was told is on the disk by then."""
        self._end_all()

    def _adopt(self) -> bool:
        process, port = self._process(), self._state.port("valkey")
        if process is None or port is None:
            return False
        give_up = time.monotonic() + _LOAD_PATIENCE
        while time.monotonic() < give_up and not processes.is_gone(process):
            answer = self._answers(port)
            if answer is not None:
                return answer
            time.sleep(0.02)
        return False

    def _start(self) -> None:
        program = binaries.valkey()
        self._end_all()
        self.folder.mkdir(mode=0o700, exist_ok=True)
        log = self.folder / "valkey.log"
        if log.exists() and log.stat().st_size > _LOG_LIMIT:
            log.unlink()
        preferred, output = self._state.port("valkey"), b""
        for _ in range(_ATTEMPTS):
            port = ports.pick(preferred)
            self._configure(port)
            (self.folder / "valkey.pid").unlink(missing_ok=True)
            done = subprocess.run(
                [str(program), "valkey.conf"],
                check=False,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=30,
            )
            output = done.stdout
            if done.returncode == 0 and self._wait_for_process() and self._adopt():
                return
            self._end_all()
            # Somebody took the port between the look at it and the start.
            preferred = None if not ports.is_free(port) else port
        kept = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        tail = (output.decode(errors="replace") + kept).strip().splitlines()[-12:]
        raise DevstackError("\n".join(["Valkey does not start. Its log says:", *tail, f"The whole log: {log}"]))

    def _wait_for_process(self) -> bool:
        """Wait for the pid file, which the server writes after it has moved to the background."""
        give_up = time.monotonic() + _BIND_PATIENCE
        while time.monotonic() < give_up:
            if self._process() is not None:
                return True
            if not processes.find(_PROGRAM, self._belongs):
                return self._process() is not None
            time.sleep(0.01)
        return False

    def _configure(self, port: int) -> None:
        password_hash = sha256(self._state.secret().encode()).hexdigest()
        self._state.keep_port("valkey", port)
        self._state.write("valkey/valkey.conf", _SETTINGS.format(port=port, user=USER, password_hash=password_hash))

    def _answers(self, port: int) -> bool | None:
        """Log in; None while the server is loading its data or does not listen yet.

        By hand, since importing redis-py takes longer than all the rest of a command's start.
        """
        try:
            with socket.create_connection((ports.HOST, port), timeout=2) as connection:
                connection.sendall(f"AUTH {USER} {self._state.secret()}\r\nPING\r\nQUIT\r\n".encode())
                with connection.makefile("rb") as answers:
                    login, ping = answers.readline(), answers.readline()
        except TimeoutError:
            return False
        except OSError:
            return None
        if ping.startswith(b"-LOADING"):
            return None
        return login == b"+OK\r\n" and ping == b"+PONG\r\n"

    def _process(self) -> psutil.Process | None:
        process = processes.by_pid_file(self.folder / "valkey.pid")
        if process is None:
            return None
        try:
            return process if process.name() == _PROGRAM and self._belongs(process) else None
        except psutil.Error:
            return None

    def _belongs(self, process: psutil.Process) -> bool:
        return bool(processes.works_in(process, self.folder))

    def _end_all(self) -> None:
        processes.end(processes.find(_PROGRAM, self._belongs), patience=10)
