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
ORPHAN_BATCH: Final = 500


class AvatarService:
    @staticmethod
    def replace(*, user_id: UUID, content: bytes) -> Account:
        """Give an account a new picture; the former one is removed once this is committed.

        Raises:
            InvalidInputError: If the content is no picture that is taken.
            NotFoundError: If there is no such account.
            StorageUnavailable: If the picture cannot be kept.
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
    def remove_orphans() -> int:
        """Remove files that no account names: of uploads that broke off between the file and the row.

        Returns:
            The number of files removed, at most ORPHAN_BATCH.
        """
        removed = 0
        for key in FileStore.grown_up(folder=FOLDER):
            if removed < ORPHAN_BATCH and not User.objects.filter(avatar=key).exists():
                FileStore.delete(key=key)
                removed += 1
        return removed


def forget_avatar(user: User) -> None:
    """Let the file be removed once the current transaction, which changes the row, is committed."""
    if user.avatar:
        outbox.enqueue("users.remove_file", {"key": user.avatar})


def _change(user: User, key: str) -> None:
    forget_avatar(user)
    user.avatar = key
    user.save(update_fields=["avatar", "updated_at"])
