"""The folder `.dev`: everything that the embedded services keep, readable by its owner only."""

import fcntl
import json
import os
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from layerline.devstack import ports, privileges
from layerline.devstack.errors import DevstackError

FOLDER: Final = ".dev"
# The name of every account here. The production settings refuse an address that bears it.
USER: Final = "layerline_dev"
_LOCK_PATIENCE: Final = 120.0


def _holds(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class State:
    """Files of one project's `.dev` folder."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.folder = self.root / FOLDER

    def prepare(self, way_out: str = "Make it writable.") -> None:
        """Make the folder, or make sure that it is ours.

        Raises:
            DevstackError: If it cannot be made, or belongs to somebody else.
        """
        try:
            self.folder.mkdir(mode=stat.S_IRWXU, exist_ok=True)
            found = self.folder.stat()
            if found.st_uid != os.geteuid():
                raise DevstackError(
                    f"{self.folder} belongs to uid {found.st_uid}, and this is uid {os.geteuid()}. "
                    "Run as that user, or remove the folder."
                )
            if stat.S_IMODE(found.st_mode) != stat.S_IRWXU:
                self.folder.chmod(stat.S_IRWXU)
            if not os.access(self.folder, os.W_OK):
                raise PermissionError(13, os.strerror(13))
        except OSError as error:
            raise DevstackError(f"The folder {self.folder} cannot be used: {error.strerror}. {way_out}") from None

    def secret(self) -> str:
        """Return the password of both services, made at the first call.

        Raises:
            DevstackError: If it is gone while data that needs it is still there.
        """
        path = self.folder / "secret"
        if path.exists() and (kept := path.read_text(encoding="ascii", errors="replace").strip()):
            return kept
        if (self.folder / "postgres").exists():
            raise DevstackError(
                f"{path} is gone, and the data beside it cannot be opened without. `make reset` starts anew."
            )
        secret = secrets.token_urlsafe(32)
        self.write("secret", secret)
        return secret

    def write(self, name: str, text: str) -> Path:
        """Replace a file in one step, so that no reader ever sees half of it."""
        path = self.folder / name
        draft = path.with_name(f"{path.name}.new")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        draft.replace(path)
        return path

    def read_json(self, name: str) -> dict[str, Any]:
        """Return a file's object; an absent or a broken file is an empty one."""
        try:
            content = json.loads((self.folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        self.write(name, json.dumps(content, indent=2))

    def port(self, service: str) -> int | None:
        """Return the port that the service had last."""
        port = self.read_json("ports.json").get(service)
        return port if isinstance(port, int) and port in ports.ALL else None

    def keep_port(self, service: str, port: int) -> None:
        if self.port(service) != port:
            self.write_json("ports.json", {**self.read_json("ports.json"), service: port})

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Let one process at a time start or stop services.

        Raises:
            DevstackError: If another one holds the lock for minutes.
        """
        descriptor = self._open("lock")
        try:
            give_up = time.monotonic() + _LOCK_PATIENCE
            while not _holds(descriptor, fcntl.LOCK_EX):
                if time.monotonic() > give_up:
                    raise DevstackError(
                        "Another command has been starting or stopping the services for minutes; end it."
                    )
                time.sleep(0.02)
            yield
        finally:
            os.close(descriptor)

    def join(self) -> int:
        """Count this process among the users of the services; return the descriptor that says so while it is open.

        A lock, and no number in a file: the system takes it back from whoever dies, in whatever way.
        """
        descriptor = self._open("users.lock")
        _holds(descriptor, fcntl.LOCK_SH)
        return descriptor

    def is_used(self) -> bool:
        """Tell whether any process has joined and not left."""
        return self._is_locked("users.lock")

    def claim_run(self) -> int | None:
        """Return the descriptor that makes this process the one that runs the project, or None if there is one."""
        descriptor = self._open("run.lock")
        if _holds(descriptor, fcntl.LOCK_EX):
            return descriptor
        os.close(descriptor)
        return None

    def is_run_up(self) -> bool:
        """Tell whether a process runs the project."""
        return self._is_locked("run.lock")

    def remove_data(self) -> None:
        """Throw away the data of the services, and what a run left; the locks stay, or two might hold one each."""
        for path in (*self.folder.glob("postgres*"), *self.folder.glob("valkey*")):
            if path.is_symlink():
                # A server that may not run as root keeps its data elsewhere: see privileges.
                data = path.resolve()
                shutil.rmtree(data.parent if data.parent.name.startswith(privileges.PREFIX) else data)
                path.unlink()
            elif path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        for name in ("secret", "ports.json"):
            (self.folder / name).unlink(missing_ok=True)

    def _open(self, name: str) -> int:
        return os.open(self.folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _is_locked(self, name: str) -> bool:
        descriptor = self._open(name)
        try:
            return not _holds(descriptor, fcntl.LOCK_EX)
        finally:
            os.close(descriptor)


def say(text: str) -> None:
    """Tell the person at the terminal; standard output belongs to the command that is run."""
    print(text, file=sys.stderr, flush=True)
