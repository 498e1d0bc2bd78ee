"""Everything that writes: one class for each subject, one module for each class."""

from apps.users.services.accounts import UserService
from apps.users.services.audit import AuditService
from apps.users.services.avatars import AvatarService
from apps.users.services.notices import NoticeService
from apps.users.services.sessions import SessionService

__all__ = ["AuditService", "AvatarService", "NoticeService", "SessionService", "UserService"]
