from collections.abc import Mapping
from typing import Any
from uuid import UUID

import structlog
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction

from apps.common.enums import Role
from apps.common.exceptions import ForbiddenError
from apps.common.types import Actor
from apps.users.enums import AuditAction
from apps.users.exceptions import EmailTakenError, LastAdminError, OwnAccountError, WrongCredentialsError
from apps.users.managers import UserManager
from apps.users.models import User
from apps.users.selectors import MfaSelector, UserSelector
from apps.users.services.attempts import count_failure, delay_after_failures
from apps.users.services.audit import AuditService
from apps.users.services.challenges import MfaChallengeService
from apps.users.services.locks import lock_active_admins, lock_kept_user, lock_user
from apps.users.services.passwords import require_good_password
from apps.users.services.sessions import SessionService, end_all_sessions
from apps.users.services.sockets import tell_sockets
from apps.users.types import Account, Challenge, Credentials, account_closed
from infrastructure.passwords import nobodys_hash
from infrastructure.queue import outbox

log = structlog.get_logger("layerline.users")


class UserService:
    @staticmethod
    def register(
        *, email: str, name: str, password: str, phone: str | None = None, actor_id: UUID | None = None
    ) -> Account:
        """Open an account and send its welcome mail once it is committed.

        Args:
            actor_id: Whoever opens it for somebody else.

        Raises:
            InvalidInputError: If the password breaks a rule.
            EmailTakenError: If an account has the address, also when both are made at the same time.
        """
        user = User(email=UserManager.normalize_email(email), name=name, phone=phone)
        require_good_password(password, user)
        # Hashed for taken addresses as well, so that time does not tell which those are; and outside of the
        # transaction, since it costs a hundred times as much as the insert.
        user.password = make_password(password)
        try:
            with transaction.atomic():
                user.save(force_insert=True)
                AuditService.record(action=AuditAction.REGISTERED, account_id=user.pk, actor_id=actor_id)
                outbox.enqueue("users.send_welcome_email", {"user_id": str(user.pk)})
        except IntegrityError as error:
            if UserSelector.email_exists(email=email):
                raise EmailTakenError from error
            raise
        return UserSelector.by_id(user_id=user.pk)

    @staticmethod
    def login(*, email: str, password: str) -> Credentials | Challenge:
        """Open a session for whoever knows the password, or ask for a code where the account has a second factor.

        Raises:
            WrongCredentialsError: If the address is unknown, the password wrong or the account inactive; all three
                cost one password hash, and the same time.
            RateLimiterUnavailable: If Redis is away, and failures cannot be counted.
            PasswordHashingBusy: If too many passwords are being checked.
        """
        delay_after_failures(email)
        # An unknown address takes the same way as a known one, or the time would tell them apart.
        found = UserSelector.by_email(email=email)
        user = found or User(password=nobodys_hash(), is_active=False)
        if not user.check_password(password) or not user.is_active:
            count_failure(email=email, user_id=found.pk if found else None)
            raise WrongCredentialsError
        if MfaSelector.is_on(user_id=user.pk):
            return MfaChallengeService.open(user_id=user.pk, password_hash=user.password)
        return SessionService.open(user_id=user.pk, password_hash=user.password)

    @staticmethod
    def update(*, actor: Actor, user_id: UUID, changes: Mapping[str, Any]) -> Account:
        """Change an account's name, phone, role or access to the admin site.

        Raises:
            NotFoundError: If there is no such account.
            ForbiddenError: If the role or that access is to change and the actor is no admin.
            LastAdminError: If this would leave no active admin.
            ErasedAccountError: If the account was erased.
        """
        with transaction.atomic():
            admins = lock_active_admins() if "role" in changes else []
            user = lock_kept_user(user_id)
            changed = [name for name, value in changes.items() if value != getattr(user, name)]
            if "role" in changed:
                require_admin(actor)
                _change_role(user, Role(changes["role"]), admins)
            if changes.get("is_staff", user.is_staff) != user.is_staff:
                require_admin(actor)
                user.is_staff = changes["is_staff"]
            user.name = changes.get("name", user.name)
            user.phone = changes.get("phone", user.phone)
            user.save(update_fields=["name", "phone", "role", "is_staff", "is_superuser", "updated_at"])
            _record_update(actor, user, changed)
            if "role" in changed:
                tell_sockets([user_id])
        return UserSelector.by_id(user_id=user_id)

    @staticmethod
    def deactivate(*, actor: Actor, user_id: UUID) -> None:
        """Close an account at once and everywhere: its sessions end and its tokens die.

        Raises:
            ForbiddenError: If the actor is no admin.
            NotFoundError: If there is no such account.
            OwnAccountError: If it is the actor's own.
            LastAdminError: If it is the last active admin's.
        """
        require_admin(actor)
        if actor.id == user_id:
            raise OwnAccountError
        with transaction.atomic():
            admins = lock_active_admins()
            user = lock_user(user_id)
            if not user.is_active:
                return
            require_another_admin(user, admins)
            user.is_active = False
            end_all_sessions(user)
            user.save(update_fields=["is_active", "token_version", "updated_at"])
            account_closed.send(sender=User, user_id=user_id, erased=False)
            AuditService.record(action=AuditAction.DEACTIVATED, account_id=user_id, actor_id=actor.id)
        log.info("account_deactivated", account_id=str(user_id), by=str(actor.id))

    @staticmethod
    def reactivate(*, actor: Actor, user_id: UUID) -> None:
        """Open a closed account again. Its old tokens stay dead.

        Raises:
            ForbiddenError: If the actor is no admin.
            NotFoundError: If there is no such account.
            ErasedAccountError: If it was erased.
        """
        require_admin(actor)
        with transaction.atomic():
            user = lock_kept_user(user_id)
            if user.is_active:
                return
            user.is_active = True
            user.save(update_fields=["is_active", "updated_at"])
            AuditService.record(action=AuditAction.REACTIVATED, account_id=user_id, actor_id=actor.id)
        log.info("account_reactivated", account_id=str(user_id), by=str(actor.id))


def require_admin(actor: Actor) -> None:
    if actor.role != Role.ADMIN:
        raise ForbiddenError


def require_another_admin(user: User, admins: list[User]) -> None:
    if user.role == Role.ADMIN and user.is_active and not any(admin.pk != user.pk for admin in admins):
        raise LastAdminError


def _change_role(user: User, role: Role, admins: list[User]) -> None:
    require_another_admin(user, admins)
    if user.role == Role.ADMIN:
        user.is_staff = user.is_superuser = False
    user.role = role


def _record_update(actor: Actor, user: User, changed: list[str]) -> None:
    """Write down the names of what was changed; of the values the role alone, which nobody types."""
    if changed:
        role: dict[str, outbox.JSON] = {"role": user.role} if "role" in changed else {}
        AuditService.record(
            action=AuditAction.UPDATED, account_id=user.pk, actor_id=actor.id, fields=sorted(changed), **role
        )
