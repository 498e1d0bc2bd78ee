"""Files that people send, kept where STORAGE_URL says: on a local disk, or in a private bucket that speaks S3."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage
from django.utils import timezone

from infrastructure.buckets import PrivateBucket

# How long an address that is handed out opens a private file.
ADDRESS_SECONDS: Final = 300
_NOBODYS_KEY: Final = "readiness"
_TIME_TO_NAME_IT: Final = timedelta(hours=1)


class StorageUnavailable(Exception):  # noqa: N818  # named like the answer it becomes
    """The disk is full or gone, or the bucket does not answer."""


class FileNotThereError(Exception):
    """There is no file under the key."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    key: str
    written_at: datetime

    def is_named_by_now(self) -> bool:
        """Tell whether a row names it, if any ever will: before, it may belong to a transaction that is still open."""
        return self.written_at < timezone.now() - _TIME_TO_NAME_IT


class FileStore:
    """Files by key; a key is made by us, such as `avatars/<user>/<id>.webp`, and never by a client."""

    @staticmethod
    def save(*, key: str, content: bytes) -> None:
        """Keep a file. Call it before the transaction that names it: what fails after leaves an orphan, and no gap.

        Raises:
            StorageUnavailable: If it cannot be kept.
        """
        try:
            with _unavailable():
                kept = default_storage.save(key, ContentFile(content))
        except StorageUnavailable:
            _take_away_the_half(key)
            raise
        if kept != key:
            FileStore.delete(key=kept)
            raise ValueError("A key was used for a second file.")

    @staticmethod
    def read(*, key: str) -> bytes:
        """Return a file's content.

        Raises:
            FileNotThereError: If there is none.
            StorageUnavailable: If it cannot be read.
        """
        try:
            with _unavailable(), default_storage.open(key) as file:
                content: bytes = file.read()
        except FileNotFoundError as error:
            raise FileNotThereError(key) from error
        return content

    @staticmethod
    def delete(*, key: str) -> None:
        """Remove a file; one that is not there is removed already.

        Raises:
            StorageUnavailable: If it cannot be removed.
        """
        with _unavailable():
            default_storage.delete(key)

    @staticmethod
    def address(*, key: str) -> str | None:
        """Return where the file can be fetched for ADDRESS_SECONDS; None where the application itself hands it out."""
        if not isinstance(default_storage, PrivateBucket):
            return None
        with _unavailable():
            return str(default_storage.url(key, expire=ADDRESS_SECONDS))

    @staticmethod
    def answers() -> bool:
        """Tell whether a file could be kept and found again now."""
        try:
            with _unavailable():
                default_storage.exists(_NOBODYS_KEY)
        except StorageUnavailable:
            return False
        return not isinstance(default_storage, FileSystemStorage) or _is_writable(Path(default_storage.location))

    @staticmethod
    def listing(*, folder: str, after: str, limit: int) -> list[StoredFile]:
        """Return files below a folder in the order of their keys, the first ones after a key.

        Raises:
            StorageUnavailable: If they cannot be listed.
        """
        with _unavailable():
            if isinstance(default_storage, PrivateBucket):
                found = default_storage.files(folder, after=after)
            else:
                found = ((key, _written_at(key)) for key in _walk(folder, after))
            return [StoredFile(key, written_at) for key, written_at in islice(found, limit)]


def _is_writable(folder: Path) -> bool:
    # The folder is made with the first file.
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return there.is_dir() and os.access(there, os.W_OK)


def _take_away_the_half(key: str) -> None:
    """Remove what a disk took before it was full. A bucket has a file in whole or not at all."""
    if not isinstance(default_storage, PrivateBucket):
        with suppress(StorageUnavailable, FileNotFoundError):
            FileStore.delete(key=key)


def _walk(folder: str, after: str) -> Iterator[str]:
    folders, files = _entries(folder)
    # A folder stands where its files do: by the slash behind its name.
    for name in sorted([*files, *(f"{name}/" for name in folders)]):
        path = f"{folder}/{name}"
        if not name.endswith("/"):
            if path > after:
                yield path
        elif path > after or after.startswith(path):
            yield from _walk(path.removesuffix("/"), after)


def _entries(folder: str) -> tuple[list[str], list[str]]:
    try:
        return default_storage.listdir(folder)
    except FileNotFoundError:
        return [], []


def _written_at(key: str) -> datetime:
    try:
        return default_storage.get_modified_time(key)
    except FileNotFoundError:
        # Removed since it was listed: as good as just written, which nobody touches.
        return timezone.now()


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, BotoCoreError, ClientError) as cause:
        if _says_not_there(cause):
            raise FileNotFoundError from cause
        # The class alone: the text may hold a path or an address.
        raise StorageUnavailable(f"The storage did not do it: {type(cause).__name__}.") from cause


def _says_not_there(cause: Any) -> bool:
    return isinstance(cause, ClientError) and cause.response.get("Error", {}).get("Code") in {"404", "NoSuchKey"}
