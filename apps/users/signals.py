"""Keeps the cached account in step with the row, whoever writes it: a service, the admin site, the shell."""

from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.signals import post_save, pre_delete, pre_save
from django.dispatch import receiver

from apps.users.models import User
from apps.users.selectors import UserSelector, account_cache, to_payload


@receiver(pre_save, sender=User)
def bury_cached_account(instance: User, **_: Any) -> None:
    """Send readers to the database from before the commit on.

    Raises:
        RedisUnavailable: If Redis is away. The write must not happen then: a cached copy would outlive it.
    """
    if not instance._state.adding:  # noqa: SLF001  # Django's way to tell an insert
        account_cache.bury({instance.pk: instance.row_version + 1})


@receiver(post_save, sender=User)
def replace_cached_account(instance: User, *, created: bool, **_: Any) -> None:
    if not created:
        transaction.on_commit(partial(_replace, instance.pk))


@receiver(pre_delete, sender=User)
def forget_cached_account(instance: User, **_: Any) -> None:
    """Bury the account for good.

    Raises:
        RedisUnavailable: If Redis is away.
    """
    account_cache.forget([instance.pk])


def _replace(user_id: UUID) -> None:
    account = UserSelector.committed(user_id=user_id)
    if account is not None:
        account_cache.replace(user_id, account.row_version, to_payload(account))
