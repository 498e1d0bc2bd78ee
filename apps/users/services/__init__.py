"""Everything that writes: one class for each subject, one module for each class."""

from apps.users.services.accounts import UserService
from apps.users.services.attempts import AttemptService
from apps.users.services.audit import AuditService
from apps.users.services.avatars import AvatarService
from apps.users.services.challenges import MfaChallengeService
from apps.users.services.emails import EmailAddressService
from apps.users.services.erasure import ErasureService
from apps.users.services.links import LinkService
from apps.users.services.mails import MailService
from apps.users.services.mfa import MfaService
from apps.users.services.notices import NoticeService
from apps.users.services.passwords import PasswordService
from apps.users.services.registration import RegistrationService
from apps.users.services.sessions import SessionService

__all__ = [
    "AttemptService",
    "AuditService",
    "AvatarService",
    "EmailAddressService",
    "ErasureService",
    "LinkService",
    "MailService",
    "MfaChallengeService",
    "MfaService",
    "NoticeService",
    "PasswordService",
    "RegistrationService",
    "SessionService",
    "UserService",
]
