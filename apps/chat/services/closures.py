"""Accounts are closed one after the other as far as rooms go: whoever inherits a room must not be on the way out."""

from typing import Final
from uuid import UUID

from django.db import connection

from apps.chat.exceptions import ClosedAccountError
from apps.users.selectors import UserSelector

_HOLD: Final = "SELECT pg_advisory_xact_lock(hashtextextended('chat.closures', 0))"
_KEEP: Final = "SELECT pg_advisory_xact_lock_shared(hashtextextended('chat.closures', 0))"


def hold_closures() -> None:
    """Wait for those who close an account or are made an owner, and let nobody do so until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(_HOLD)


def require_open_account(user_id: UUID) -> None:
    """Let pass whoever is to be an owner, and keep the account from being closed until the transaction ends.

    Call it before a room is held: whoever closes accounts holds them in the other order.

    Raises:
        ClosedAccountError: If the account is closed.
    """
    with connection.cursor() as cursor:
        cursor.execute(_KEEP)
    if not UserSelector.committed(user_id=user_id).is_active:
        raise ClosedAccountError
