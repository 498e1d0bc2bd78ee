from uuid import UUID, uuid4

import structlog
from django.db import transaction
from django.utils import timezone

from apps.common.enums import Role
from apps.common.services import IdempotencyService
from apps.common.types import Actor
from apps.users.enums import AuditAction
from apps.users.exceptions import OwnAccountError
from apps.users.models import AuditEntry, MfaChallenge, RecoveryCode, Session, TotpDevice, User
from apps.users.services.accounts import require_admin, require_another_admin
from apps.users.services.audit import AuditService, deleting_entries
from apps.users.services.avatars import forget_avatar
from apps.users.services.locks import lock_active_admins, lock_sessions, lock_user
from apps.users.services.passwords import lock_verified, require_password
from apps.users.services.sessions import end_all_sessions
from apps.users.types import account_closed
from infrastructure.origin import Origin, coming_from

log = structlog.get_logger("layerline.users")


class ErasureService:
    @staticmethod
    def erase_own(*, user_id: UUID, password: str) -> None:
        """Take from an account, at its owner's wish, all that tells whose it was. Nothing brings it back.

        Raises:
            WrongPasswordError: If the password is wrong.
            LastAdminError: If it is the last active admin's.
        """
        verified = require_password(user_id, password)
        with transaction.atomic():
            admins = lock_active_admins()
            user = lock_verified(verified)
            require_another_admin(user, admins)
            _erase(user, actor_id=user_id)

    @staticmethod
    def erase(*, actor: Actor, user_id: UUID) -> None:
        """Erase somebody else's account; once more is no error.

        Raises:
            ForbiddenError: If the actor is no admin.
            NotFoundError: If there is no such account.
            OwnAccountError: If it is the actor's own: for that the password is asked.
            LastAdminError: If it is the last active admin's.
        """
        require_admin(actor)
        if actor.id == user_id:
            raise OwnAccountError("You cannot erase your own account here.")
        with transaction.atomic():
            admins = lock_active_admins()
            user = lock_user(user_id)
            if user.erased_at is not None:
                return
            require_another_admin(user, admins)
            _erase(user, actor_id=actor.id)


def _erase(user: User, *, actor_id: UUID) -> None:
    _delete_what_belongs_to(user)
    _forget_in_logs(user)
    forget_avatar(user)
    _become_nobody(user)
    account_closed.send(sender=User, user_id=user.pk, erased=True)
    # Without an address: whoever erased the account asked to be forgotten.
    with coming_from(Origin()):
        AuditService.record(action=AuditAction.ERASED, account_id=user.pk, actor_id=actor_id)
    log.info("account_erased", account_id=str(user.pk), by=str(actor_id))


def _delete_what_belongs_to(user: User) -> None:
    # A former address that is still to be told stays until then: whoever took an account over must not silence that
    # notice by erasing it.
    #
    # Sessions are held first: so no refresh adds a token to one that is being deleted, and no clean-up deletes some of
    # its tokens meanwhile.
    lock_sessions(user)
    end_all_sessions(user)
    for rows in (
        Session.objects.filter(user=user),
        MfaChallenge.objects.filter(user=user),
        RecoveryCode.objects.filter(user=user),
        TotpDevice.objects.filter(user=user),
    ):
        rows.delete()
    IdempotencyService.forget(user_id=user.pk)
    user.groups.clear()
    user.user_permissions.clear()


def _forget_in_logs(user: User) -> None:
    """Delete what was written down about the account; what it did to others stays, without from where."""
    with deleting_entries():
        AuditEntry.objects.filter(account_id=user.pk).delete()
        done_to_others = list(AuditEntry.objects.filter(actor_id=user.pk))
        AuditEntry.objects.filter(pk__in=[entry.pk for entry in done_to_others]).delete()
    for entry in done_to_others:
        entry.address, entry.user_agent = None, ""
    AuditEntry.objects.bulk_create(done_to_others, batch_size=1_000)


def _become_nobody(user: User) -> None:
    # Random, so that nobody can have it already; below a domain that never exists (RFC 2606).
    user.email = f"{uuid4().hex}@erased.invalid"
    user.name = user.avatar = ""
    user.phone = user.pending_email = user.email_verified_at = user.last_login = None
    user.set_unusable_password()
    user.role = Role.USER
    user.is_active = user.is_staff = user.is_superuser = False
    user.erased_at = timezone.now()
    user.save()
