"""Files that people send, kept where STORAGE_URL says: on a local disk, or in a private bucket that speaks S3."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from infrastructure.buckets import PrivateBucket

# How long an address that is handed out opens a private file.
ADDRESS_SECONDS: Final = 300
# A file that no row names yet may belong to a transaction that is still open.
_ORPHAN_AGE: Final = timedelta(hours=1)


class StorageUnavailable(Exception):  # noqa: N818  # named like the answer it becomes
    """The disk is full or gone, or the bucket does not answer."""


class FileNotThereError(Exception):
    """There is no file under the key."""


class FileStore:
    """Files by key; a key is made by us, such as `avatars/<user>/<id>.webp`, and never by a client."""

    @staticmethod
    def save(*, key: str, content: bytes) -> None:
        """Keep a file. Call it before the transaction that names it: what fails after leaves an orphan, and no gap.

        Raises:
            StorageUnavailable: If it cannot be kept.
        """
        with _unavailable():
            kept = default_storage.save(key, ContentFile(content))
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
    def grown_up(*, folder: str) -> Iterator[str]:
        """Yield the keys below a folder that are old enough to be named by a row, if any ever will."""
        newest = timezone.now() - _ORPHAN_AGE
        with _unavailable():
            for key in _walk(folder):
                if default_storage.get_modified_time(key) < newest:
                    yield key


def _walk(folder: str) -> Iterator[str]:
    try:
        folders, files = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    for name in files:
        yield f"{folder}/{name}"
    for name in folders:
        yield from _walk(f"{folder}/{name}")


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
