"""Rows that a service holds while it decides: always in key order, so that two never wait for each other."""

from uuid import UUID

from apps.common.enums import Role
from apps.common.exceptions import NotFoundError
from apps.users.exceptions import ErasedAccountError
from apps.users.models import Session, User


def lock_user(user_id: UUID) -> User:
    user = User.objects.select_for_update().filter(pk=user_id).first()
    if user is None:
        raise NotFoundError
    return user


def lock_kept_user(user_id: UUID) -> User:
    """Lock an account that is to be changed or opened again."""
    user = lock_user(user_id)
    if user.erased_at is not None:
        raise ErasedAccountError
    return user


def lock_verified_user(user_id: UUID, password_hash: str) -> User | None:
    """Lock an account whose password was just verified; None if it was closed or its password changed since then."""
    user = User.objects.select_for_update().filter(pk=user_id).first()
    if user is None or not user.is_active or user.password != password_hash:
        return None
    return user


def lock_sessions(user: User) -> None:
    """Lock all sessions of a locked account, the ended ones too. Whoever holds a session may change its tokens."""
    list(Session.objects.filter(user=user).order_by("pk").select_for_update().values_list("pk", flat=True))


def lock_active_admins() -> list[User]:
    """Lock all active admins, in key order: two admins who remove each other at once must see one another."""
    return list(User.objects.active().by_role(Role.ADMIN).order_by("pk").select_for_update())
