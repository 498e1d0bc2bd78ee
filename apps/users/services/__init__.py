"""Everything that writes: one class for each subject, one module for each class."""

from apps.users.services.accounts import UserService
from apps.users.services.sessions import SessionService

__all__ = ["SessionService", "UserService"]
