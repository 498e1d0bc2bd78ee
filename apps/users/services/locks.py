"""Rows that a service holds while it decides: always in key order, so that two never wait for each other."""

from uuid import UUID

from apps.common.enums import Role
from apps.common.exceptions import NotFoundError
from apps.users.models import User


def lock_user(user_id: UUID) -> User:
    user = User.objects.select_for_update().filter(pk=user_id).first()
    if user is None:
        raise NotFoundError
    return user


def lock_active_admins() -> list[User]:
    """Lock all active admins, in key order: two admins who remove each other at once must see one another."""
    return list(User.objects.active().by_role(Role.ADMIN).order_by("pk").select_for_update())
