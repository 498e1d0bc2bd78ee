"""Accounts are closed one after the other as far as rooms go: whoever inherits a room must not be on the way out."""

from typing import Final
from uuid import UUID

from django.db import connection

from apps.chat.exceptions import ClosedAccountError
from apps.users.selectors import UserSelector

_HOLD: Final = "SELECT pg_advisory_xact_lock(hashtextextended('chat.closures', 0))"
_KEEP: Final = "SELECT pg_advisory_xact_lock_shared(hashtextextended('chat.closures', 0))"


def hold_closures() -> None:
    """Wait for whoever closes an account or relies on an open one, and let nobody do so until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(_HOLD)


def keep_accounts_open() -> None:
    """Wait for whoever closes an account, and let nobody do so until the transaction ends; others may wait beside.

    Call it before a room is held: whoever closes an account holds its rooms after that.
    """
    with connection.cursor() as cursor:
        cursor.execute(_KEEP)


def require_open_account(user_id: UUID) -> None:
    """Let pass whose account is open, and stays so since `keep_accounts_open`.

    Raises:
        ClosedAccountError: If it is closed.
    """
    if not UserSelector.committed(user_id=user_id).is_active:
        raise ClosedAccountError
