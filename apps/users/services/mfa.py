from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.common.exceptions import FieldError, InvalidInputError
from apps.common.types import Actor
from apps.users.enums import AuditAction, Notice
from apps.users.exceptions import MfaOffError, MfaOnError, OwnMfaError
from apps.users.models import TotpDevice, User
from apps.users.services.accounts import require_admin
from apps.users.services.audit import AuditService
from apps.users.services.locks import lock_user
from apps.users.services.notices import NoticeService
from apps.users.services.passwords import proven_owner
from apps.users.services.recovery_codes import replace_recovery_codes
from apps.users.types import MfaSetup
from infrastructure import totp


class MfaService:
    """The second factor of an account: turning it on and off. Whoever uses it: MfaChallengeService.

    What an owner does takes the password.
    """

    @staticmethod
    def setup(*, user_id: UUID, password: str) -> MfaSetup:
        """Make a secret for the owner's app, in the place of one that was not confirmed. Nothing is asked for yet.

        Raises:
            WrongPasswordError: If the password is wrong.
            MfaOnError: If the second factor is on.
        """
        secret = totp.new_secret()
        with proven_owner(user_id, password) as user:
            device = _device(user)
            if device and device.confirmed_at:
                raise MfaOnError
            TotpDevice.objects.filter(user=user).delete()
            TotpDevice.objects.create(user=user, secret=secret)
        return MfaSetup(secret=secret, otpauth_uri=totp.otpauth_uri(secret, account=user.email))

    @staticmethod
    def confirm(*, user_id: UUID, password: str, code: str) -> list[str]:
        """Turn the second factor on, now that the app has shown that it knows the secret; return recovery codes.

        Raises:
            WrongPasswordError: If the password is wrong.
            InvalidInputError: If the code is.
            MfaOffError: If no secret was made.
            MfaOnError: If it is on already.
        """
        with proven_owner(user_id, password) as user:
            device = _device(user)
            if device is None or device.secret is None:
                raise MfaOffError
            if device.confirmed_at:
                raise MfaOnError
            now = timezone.now()
            step = totp.matching_step(device.secret, "".join(code.split()), now=now)
            if step is None:
                raise InvalidInputError([FieldError("code", "wrong", "The code is wrong.")])
            # Confirming takes the code: nobody signs in with it a second time.
            device.confirmed_at, device.last_step = now, step
            device.save(update_fields=["confirmed_at", "last_step", "updated_at"])
            codes = replace_recovery_codes(user)
            AuditService.record(action=AuditAction.MFA_ENABLED, account_id=user.pk)
            NoticeService.tell_owner(user_id=user.pk, notice=Notice.MFA_ENABLED)
        return codes

    @staticmethod
    def disable(*, user_id: UUID, password: str) -> None:
        """Turn the second factor off; where it is off, nothing happens.

        Raises:
            WrongPasswordError: If the password is wrong.
        """
        with proven_owner(user_id, password) as user:
            _turn_off(user, actor_id=user.pk)

    @staticmethod
    def renew_recovery_codes(*, user_id: UUID, password: str) -> list[str]:
        """Return ten new recovery codes; the ones before work no longer.

        Raises:
            WrongPasswordError: If the password is wrong.
            MfaOffError: If the second factor is off.
        """
        with proven_owner(user_id, password) as user:
            device = _device(user)
            if device is None or device.confirmed_at is None:
                raise MfaOffError
            codes = replace_recovery_codes(user)
            AuditService.record(action=AuditAction.RECOVERY_CODES_RENEWED, account_id=user.pk)
            NoticeService.tell_owner(user_id=user.pk, notice=Notice.RECOVERY_CODES_RENEWED)
        return codes

    @staticmethod
    def turn_off(*, actor: Actor, user_id: UUID) -> None:
        """Turn off the second factor of somebody who has lost it; where it is off, nothing happens.

        Raises:
            ForbiddenError: If the actor is no admin.
            OwnMfaError: If it is the actor's own, which takes the password.
            NotFoundError: If there is no such account.
        """
        require_admin(actor)
        if actor.id == user_id:
            raise OwnMfaError
        with transaction.atomic():
            _turn_off(lock_user(user_id), actor_id=actor.id)


def _device(user: User) -> TotpDevice | None:
    # Without the secret: what is to be turned off must not need the key that it was encrypted with.
    return TotpDevice.objects.filter(user=user).defer("secret").first()


def _turn_off(user: User, *, actor_id: UUID) -> None:
    device = _device(user)
    if device is None:
        return
    device.delete()
    user.recovery_codes.all().delete()
    # Logins that wait for a code would wait for ever.
    user.mfa_challenges.all().delete()
    if device.confirmed_at:
        AuditService.record(action=AuditAction.MFA_DISABLED, account_id=user.pk, actor_id=actor_id)
        NoticeService.tell_owner(user_id=user.pk, notice=Notice.MFA_DISABLED)
