from typing import Final
from uuid import UUID

from django.db import transaction
from uuid6 import uuid7

from apps.common.exceptions import FieldError, InvalidInputError
from apps.users.models import User
from apps.users.selectors import UserSelector
from apps.users.services.locks import lock_user
from apps.users.types import Account
from infrastructure.images import ImageError, to_square_webp
from infrastructure.queue import outbox
from infrastructure.storage import FileStore

FOLDER: Final = "avatars"
LOOK_AT_ONCE: Final = 500


class AvatarService:
    @staticmethod
    def replace(*, user_id: UUID, content: bytes) -> Account:
        """Give an account a new picture; the former one is removed once this is committed.

        Raises:
            InvalidInputError: If the content is no picture that is taken.
            NotFoundError: If there is no such account.
            StorageUnavailable: If the picture cannot be kept.
            ImagesBusy: If more pictures are being decoded than there is room for.
        """
        try:
            picture = to_square_webp(content)
        except ImageError as error:
            raise InvalidInputError([FieldError("file", error.code, str(error))]) from error
        key = f"{FOLDER}/{user_id}/{uuid7()}.webp"
        FileStore.save(key=key, content=picture)
        with transaction.atomic():
            _change(lock_user(user_id), key)
        return UserSelector.by_id(user_id=user_id)

    @staticmethod
    def remove(*, user_id: UUID) -> None:
        """Take an account's picture away. Without one there is nothing to do.

        Raises:
            NotFoundError: If there is no such account.
        """
        with transaction.atomic():
            user = lock_user(user_id)
            if user.avatar:
                _change(user, "")

    @staticmethod
    def remove_orphans(*, after: str = "") -> int:
        """Remove files that no account names: of uploads that broke off between the file and the row.

        Looks at LOOK_AT_ONCE files and leaves the next to a job.

        Args:
            after: The key behind which to begin.

        Returns:
            The number of files removed.

        Raises:
            StorageUnavailable: If the storage is away.
        """
        files = FileStore.listing(folder=FOLDER, after=after, limit=LOOK_AT_ONCE)
        keys = [file.key for file in files if file.is_named_by_now()]
        orphans = set(keys) - _named(keys)
        for key in sorted(orphans):
            FileStore.delete(key=key)
        if len(files) == LOOK_AT_ONCE:
            with transaction.atomic():
                outbox.enqueue("users.clean_orphaned_files", {"after": files[-1].key})
        return len(orphans)


def _named(keys: list[str]) -> set[str]:
    """Return those of the keys that an account names. A key tells whose it is: no index is needed to find them."""
    owners = {owner for key in keys if (owner := _owner(key))}
    return set(User.objects.filter(pk__in=owners).values_list("avatar", flat=True))


def _owner(key: str) -> UUID | None:
    try:
        return UUID(key.split("/")[1])
    except ValueError:
        return None


def forget_avatar(user: User) -> None:
    """Let the file be removed once the current transaction, which changes the row, is committed."""
    if user.avatar:
        outbox.enqueue("users.remove_file", {"key": user.avatar})


def _change(user: User, key: str) -> None:
    forget_avatar(user)
    user.avatar = key
    user.save(update_fields=["avatar", "updated_at"])
