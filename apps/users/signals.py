"""Keeps cached accounts and sessions in step with their rows, whoever writes them: a service, the admin, the shell."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.signals import post_save, pre_delete, pre_save
from django.dispatch import receiver
from django.utils import timezone

from apps.common.exceptions import NotFoundError
from apps.common.fields import reencrypted
from apps.users.models import Session, User
from apps.users.selectors import (
    CACHED_FIELDS,
    CACHED_SESSION_FIELDS,
    UserSelector,
    account_cache,
    session_cache,
    to_payload,
)


@receiver(pre_save, sender=User)
def bury_cached_account(instance: User, *, update_fields: frozenset[str] | None, **_: Any) -> None:
    """Send readers to the database from before the commit on.

    Raises:
        RedisUnavailable: If Redis is away. The write must not happen then: a cached copy would outlive it.
    """
    if not instance._state.adding and _is_cached(update_fields, CACHED_FIELDS):  # noqa: SLF001  # Django's way to tell an insert
        account_cache.bury({instance.pk: instance.row_version + 1})


@receiver(post_save, sender=User)
def replace_cached_account(instance: User, *, created: bool, update_fields: frozenset[str] | None, **_: Any) -> None:
    """Bury once more, now that the row is locked and its new version known, and put the row there after the commit.

    Raises:
        RedisUnavailable: If Redis is away.
    """
    if not created and _is_cached(update_fields, CACHED_FIELDS):
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


@receiver(pre_save, sender=Session)
def forget_changed_session(instance: Session, *, update_fields: frozenset[str] | None, **_: Any) -> None:
    """Bury a session that is about to end, for good: it never reopens, and nothing is to follow.

    Raises:
        RedisUnavailable: If Redis is away. The write must not happen then: a cached copy would outlive it.
    """
    if not instance._state.adding and _is_cached(update_fields, CACHED_SESSION_FIELDS):  # noqa: SLF001  # as above
        session_cache.forget([instance.pk])


@receiver(pre_delete, sender=Session)
def forget_deleted_session(instance: Session, **_: Any) -> None:
    """Bury a session that is deleted before its time; a copy of one that is over opens nothing.

    Raises:
        RedisUnavailable: If Redis is away.
    """
    if instance.expires_at > timezone.now():
        session_cache.forget([instance.pk])


@receiver(reencrypted, sender=User)
def bury_reencrypted_accounts(column: str, keys: list[UUID], **_: Any) -> None:
    """Bury the accounts whose phone stands there under a key that is about to be given up.

    Raises:
        RedisUnavailable: If Redis is away.
    """
    if column in CACHED_FIELDS:
        account_cache.bury(UserSelector.row_versions(user_ids=keys))


def _is_cached(written: frozenset[str] | None, cached: frozenset[str]) -> bool:
    """Tell whether a write concerns the copy: the time of the last login, for one, does not stand in it."""
    return written is None or not written.isdisjoint(cached)


def _replace(user_id: UUID) -> None:
    try:
        account = UserSelector.committed(user_id=user_id)
    except NotFoundError:
        # Deleted since; whoever did that has buried it.
        return
    account_cache.replace(user_id, account.row_version, to_payload(account))
