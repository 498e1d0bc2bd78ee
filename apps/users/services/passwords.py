from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from uuid6 import uuid7

from apps.common.exceptions import FieldError, InvalidInputError
from apps.users.enums import AuditAction, LinkPurpose, Notice
from apps.users.exceptions import WrongPasswordError
from apps.users.models import User
from apps.users.selectors import UserSelector
from apps.users.services.audit import AuditService
from apps.users.services.links import linked_user, read_link, require_purpose
from apps.users.services.locks import lock_verified_user
from apps.users.services.notices import NoticeService
from apps.users.services.sessions import end_all_sessions, renew_session
from apps.users.types import Credentials
from infrastructure.queue import outbox


class PasswordService:
    @staticmethod
    def change(*, user_id: UUID, session_id: UUID, current: str, new: str) -> Credentials:
        """Give an account another password; every session ends but this one, which gets a new pair.

        Args:
            session_id: The one that goes on.

        Raises:
            InvalidInputError: If the current password is wrong, or the new one is the same or breaks a rule.
            SessionRevokedError: If the session ended meanwhile.
        """
        verified = _require_change(user_id, current, new)
        hashed = make_password(new)
        with transaction.atomic():
            user = lock_verified(verified, field="current")
            credentials = renew_session(user, session_id)
            _set_password(user, hashed, AuditAction.PASSWORD_CHANGED)
        return credentials

    @staticmethod
    def change_at_site(*, user_id: UUID, current: str, new: str) -> User:
        """Give an account another password from the admin site, which has no session of the API: each of those ends.

        Raises:
            InvalidInputError: If the current password is wrong, or the new one is the same or breaks a rule.
        """
        verified = _require_change(user_id, current, new)
        hashed = make_password(new)
        with transaction.atomic():
            user = lock_verified(verified, field="current")
            end_all_sessions(user)
            _set_password(user, hashed, AuditAction.PASSWORD_CHANGED)
        return user

    @staticmethod
    def ask_reset(*, email: str) -> None:
        """Mail the way to a new password to whoever has the address; nothing tells whether anybody has."""
        nobody = uuid7()
        with transaction.atomic():
            user_id = UserSelector.id_by_email(email=email) or nobody
            outbox.enqueue("users.send_password_reset", {"user_id": str(user_id)})

    @staticmethod
    def reset(*, token: str, new: str) -> None:
        """Set the password of the account that a link was mailed to, and end all its sessions.

        It signs nobody in: a second factor is asked for as ever.

        Raises:
            InvalidInputError: If the link is no good, or the password breaks a rule; the link then still works.
        """
        link = read_link(token)
        asked = linked_user(link)
        require_purpose(link, asked, LinkPurpose.RESET_PASSWORD)
        require_good_password(new, asked, field="new")
        hashed = make_password(new)
        with transaction.atomic():
            user = linked_user(link, lock=True)
            require_purpose(link, user, LinkPurpose.RESET_PASSWORD)
            end_all_sessions(user)
            _set_password(user, hashed, AuditAction.PASSWORD_RESET)


def require_good_password(password: str, user: User, *, field: str = "password") -> None:
    """Hold a new password to the rules of the settings.

    Args:
        user: Whose it is to be; it may not resemble the address or the name.
        field: What the client calls it.

    Raises:
        InvalidInputError: If it breaks one.
    """
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise InvalidInputError(
            [FieldError(field, problem.code or "invalid", problem.messages[0]) for problem in error.error_list]
        ) from None


def require_password(user_id: UUID, password: str, *, field: str = "password") -> User:
    """Return the account as it was when the password was found right. Call it outside of a transaction: it is slow.

    Args:
        field: What the client calls the password.

    Raises:
        WrongPasswordError: If it is wrong.
    """
    user = User.objects.filter(pk=user_id).first()
    if user is None or not user.check_password(password):
        raise WrongPasswordError(field)
    return user


def lock_verified(verified: User, *, field: str = "password") -> User:
    """Lock the row of an account whose password was just verified.

    Raises:
        WrongPasswordError: If the password was changed since, or the account closed.
    """
    user = lock_verified_user(verified.pk, verified.password)
    if user is None:
        raise WrongPasswordError(field)
    return user


@contextmanager
def proven_owner(user_id: UUID, password: str) -> Iterator[User]:
    """Give the account, locked in a transaction of the block's own, to whoever knows its password.

    Raises:
        WrongPasswordError: If the password is wrong, or no longer the one of an open account.
    """
    verified = require_password(user_id, password)
    with transaction.atomic():
        yield lock_verified(verified)


def _require_change(user_id: UUID, current: str, new: str) -> User:
    verified = require_password(user_id, current, field="current")
    if new == current:
        raise InvalidInputError([FieldError("new", "unchanged", "This is the password that the account has.")])
    require_good_password(new, verified, field="new")
    return verified


def _set_password(user: User, hashed: str, action: AuditAction) -> None:
    user.password = hashed
    # Whoever knew the old one may have asked for it.
    user.pending_email = None
    user.save(update_fields=["password", "pending_email", "token_version", "updated_at"])
    AuditService.record(action=action, account_id=user.pk)
    NoticeService.tell_owner(user_id=user.pk, notice=Notice.PASSWORD_CHANGED)
