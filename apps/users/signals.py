"""Keeps the cached account in step with the row, whoever writes it: a service, the admin site, the shell."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.signals import post_save, pre_delete, pre_save
from django.dispatch import receiver

from apps.common.exceptions import NotFoundError
from apps.users.models import User
from apps.users.selectors import CACHED_FIELDS, UserSelector, account_cache, to_payload


@receiver(pre_save, sender=User)
def bury_cached_account(instance: User, *, update_fields: frozenset[str] | None, **_: Any) -> None:
    """Send readers to the database from before the commit on.

    Raises:
        RedisUnavailable: If Redis is away. The write must not happen then: a cached copy would outlive it.
    """
    if not instance._state.adding and _is_cached(update_fields):  # noqa: SLF001  # Django's way to tell an insert
        account_cache.bury({instance.pk: instance.row_version + 1})


@receiver(post_save, sender=User)
def replace_cached_account(instance: User, *, created: bool, update_fields: frozenset[str] | None, **_: Any) -> None:
    """Bury once more, now that the row is locked and its new version known, and put the row there after the commit.

    Raises:
        RedisUnavailable: If Redis is away.
    """
    if not created and _is_cached(update_fields):
        account_cache.bury({instance.pk: UserSelector.row_version(user_id=instance.pk)})
        user_id = instance.pk
        # Robust: what is committed must not be answered with an error; the tombstone stays until it expires.
        transaction.on_commit(lambda: _replace(user_id), robust=True)


@receiver(pre_delete, sender=User)
def forget_cached_account(instance: User, **_: Any) -> None:
    """Bury the account for good.

    Raises:
        RedisUnavailable: If Redis is away.
    """
    account_cache.forget([instance.pk])


def _is_cached(written: frozenset[str] | None) -> bool:
    """Tell whether a write concerns the copy: the time of the last login, for one, does not stand in it."""
    return written is None or not written.isdisjoint(CACHED_FIELDS)


def _replace(user_id: UUID) -> None:
    try:
        account = UserSelector.committed(user_id=user_id)
    except NotFoundError:
        # Deleted since; whoever did that has buried it.
        return
    account_cache.replace(user_id, account.row_version, to_payload(account))
