"""A folder of small files, one for each thing that happened, whose names sort by time."""

import os
import re
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

# Nanoseconds since 1970, padded so that names sort by time, and a random part that keeps processes apart.
ID_PATTERN: Final = r"[0-9]{20}-[0-9a-f]{16}"
_NANOSECONDS: Final = 1_000_000_000
_is_id: Final = re.compile(ID_PATTERN).fullmatch


class Folder:
    """Files of one kind, which several processes may write at once.

    Args:
        path: Need not be there yet.
        suffix: What the names end with, such as `.eml`.
    """

    def __init__(self, path: Path, suffix: str) -> None:
        self._path = path
        self._suffix = suffix

    def store(self, raw: bytes) -> str:
        """Write one file that nobody can see half-written, and return its id.

        Raises:
            OSError: If it cannot be written.
        """
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        file_id = f"{time.time_ns():020d}-{secrets.token_hex(8)}"
        # Under another name first, then renamed.
        unfinished = self._path / f".{file_id}.tmp"
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(raw)
            unfinished.rename(self.path_of(file_id))
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        return file_id

    def ids(self) -> Iterator[str]:
        """Yield the ids of all files, in no order."""
        try:
            names = os.listdir(self._path)  # noqa: PTH208  # ten times as fast as the paths of 200 files
        except FileNotFoundError:
            return
        for name in names:
            file_id, dot, suffix = name.partition(".")
            if dot + suffix == self._suffix and _is_id(file_id):
                yield file_id

    def newest(self) -> list[str]:
        """Return the ids of all files, the newest first."""
        return sorted(self.ids(), reverse=True)

    def path_of(self, file_id: str) -> Path:
        """Return where a file lies; the id has the form of ID_PATTERN, so that it names nothing outside."""
        return self._path / f"{file_id}{self._suffix}"

    def delete(self, file_id: str) -> None:
        """Remove one file; one that is gone already stays gone.

        Raises:
            OSError: If the file is there and cannot be removed.
        """
        self.path_of(file_id).unlink(missing_ok=True)

    def keep(self, count: int) -> None:
        """Remove all files but the newest ones.

        Raises:
            OSError: If a file is there and cannot be removed.
        """
        for file_id in self.newest()[count:]:
            self.delete(file_id)


def stored_at(file_id: str) -> datetime:
    return datetime.fromtimestamp(int(file_id.partition("-")[0]) / _NANOSECONDS, tz=UTC)
