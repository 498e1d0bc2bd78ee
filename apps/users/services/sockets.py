"""Telling every process that somebody at its sockets may be signed in no longer, or with other rights."""

from collections.abc import Iterable
from uuid import UUID

from apps.common.types import ACCOUNT_CHANGED, account_group
from infrastructure import realtime


def tell_sockets(user_ids: Iterable[UUID]) -> None:
    """Let the sockets of some accounts be looked at anew, everywhere, as soon as the open transaction is committed."""
    for user_id in set(user_ids):
        realtime.push(account_group(user_id), ACCOUNT_CHANGED)
