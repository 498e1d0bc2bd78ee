import math
import re
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.users.enums import AuditAction, Notice
from apps.users.exceptions import (
    TokenExpiredError,
    TokenInvalidError,
    TooManyCodesError,
    WrongCodeError,
    WrongCredentialsError,
)
from apps.users.models import AuditEntry, MfaChallenge, TotpDevice, User
from apps.users.services.audit import AuditService
from apps.users.services.locks import lock_user, lock_verified_user
from apps.users.services.notices import NoticeService
from apps.users.services.recovery_codes import use_recovery_code
from apps.users.services.sessions import SessionService
from apps.users.types import Challenge, Credentials
from infrastructure import batches, tokens, totp
from infrastructure.queue import outbox
from infrastructure.tokens import MfaClaims, TokenService

LIFETIME: Final = timedelta(minutes=5)
# For one challenge.
TRIES: Final = 5
# For one account, whatever the challenges: the scopes of settings.THROTTLE_RATES.
_WRONG_CODES: Final = ("mfa_codes", "mfa_codes_sustained")
_OWNER_IS_TOLD_EVERY: Final = timedelta(days=1)
_CODE_OF_AN_APP: Final = re.compile(rf"[0-9]{{{totp.DIGITS}}}")

log = structlog.get_logger("layerline.users")


class MfaChallengeService:
    """Logins whose password was right and whose second factor is still to come."""

    @staticmethod
    def open(*, user_id: UUID, password_hash: str) -> Challenge:
        """Ask for a code of a user whose password was just verified.

        Raises:
            WrongCredentialsError: If the account was closed or its password changed since then.
        """
        with transaction.atomic():
            user = lock_verified_user(user_id, password_hash)
            if user is None:
                raise WrongCredentialsError
            challenge = _new_challenge(user)
            challenge.save()
        claims = MfaClaims(
            subject=user.pk,
            challenge_id=challenge.pk,
            issued_at=challenge.expires_at - LIFETIME,
            expires_at=challenge.expires_at,
        )
        return Challenge(mfa_token=TokenService.mfa(claims=claims), expires_in=int(LIFETIME.total_seconds()))

    @staticmethod
    def verify(*, token: str, code: str) -> Credentials:
        """Open the session of a login, for a code of the app or a recovery code.

        Raises:
            TokenExpiredError: If the login took too long.
            TokenInvalidError: If the token is not good, was used or tried too often, or the account moved on.
            WrongCodeError: If the code is wrong or was used.
            TooManyCodesError: If too many codes of the app were wrong; recovery codes are taken all the same.
        """
        credentials = _complete(_decode(token), code)
        if credentials is None:
            raise WrongCodeError
        return credentials

    @staticmethod
    def confirm(*, user_id: UUID, code: str) -> None:
        """Use a code up for a login that is no session of ours: the admin site's, which asks for all at once.

        Raises:
            NotFoundError: If there is no such account.
            WrongCodeError, TooManyCodesError: As for `verify`.
        """
        with transaction.atomic(durable=True):
            user = lock_user(user_id)
            good = _try(user, _new_challenge(user), code)
        if not good:
            raise WrongCodeError

    @staticmethod
    def purge_expired() -> int:
        """Delete a batch of the challenges that are over and no longer count as tries, leave the next to a job.

        Returns:
            How many went.
        """
        now = timezone.now()
        longest = max(settings.THROTTLE_RATES[scope][1] for scope in _WRONG_CODES)
        counted = Q(attempts__gt=0, expires_at__gt=now - timedelta(seconds=longest))
        with transaction.atomic():
            purged = batches.delete(
                MfaChallenge.objects.filter(expires_at__lte=now).exclude(counted), oldest="expires_at"
            )
            if purged.more:
                outbox.enqueue("users.clean_mfa_challenges", {})
        return purged.count


def _new_challenge(user: User) -> MfaChallenge:
    # In whole seconds, as the token says it.
    now = timezone.now().replace(microsecond=0)
    return MfaChallenge(user=user, version=user.token_version, expires_at=now + LIFETIME)


def _decode(token: str) -> MfaClaims:
    try:
        return TokenService.decode_mfa(token)
    except tokens.TokenExpiredError as error:
        raise TokenExpiredError from error
    except tokens.TokenError as error:
        raise TokenInvalidError from error


@transaction.atomic(durable=True)
def _complete(claims: MfaClaims, code: str) -> Credentials | None:
    """Return the credentials of the session, or None after counting a wrong try."""
    # Whoever turns the factor on or off, closes the account or tries another code waits here.
    user = User.objects.select_for_update().filter(pk=claims.subject).first()
    if user is None or not user.is_active:
        raise TokenInvalidError
    challenge = user.mfa_challenges.filter(pk=claims.challenge_id, version=user.token_version, used_at=None).first()
    if challenge is None or challenge.attempts >= TRIES:
        raise TokenInvalidError
    if not _try(user, challenge, code):
        return None
    challenge.used_at = timezone.now()
    challenge.save(update_fields=["used_at", "updated_at"])
    return SessionService.open(user_id=user.pk, password_hash=user.password)


def _try(user: User, challenge: MfaChallenge, code: str) -> bool:
    """Use a code of a locked account up and return whether it was good; a wrong one is counted."""
    typed = "".join(code.split()).replace("-", "")
    wait = _seconds_to_wait(user)
    if _CODE_OF_AN_APP.fullmatch(typed):
        # Only these: whoever has the password and guesses does not lock the owner out, who has recovery codes.
        if wait:
            raise TooManyCodesError(wait)
        good = _redeem_code_of_app(user, typed)
    else:
        good = _redeem_recovery_code(user, typed)
    if not good:
        challenge.attempts += 1
        challenge.save()
        if not wait and _seconds_to_wait(user):
            _tell_of_failures(user)
    return good


def _redeem_code_of_app(user: User, code: str) -> bool:
    device = TotpDevice.objects.filter(user=user, confirmed_at__isnull=False).first()
    if device is None or device.secret is None:
        return False
    step = totp.matching_step(device.secret, code, now=timezone.now(), after=device.last_step)
    if step is None:
        return False
    device.last_step = step
    device.save(update_fields=["last_step", "updated_at"])
    return True


def _redeem_recovery_code(user: User, code: str) -> bool:
    if not use_recovery_code(user, code):
        return False
    left = user.recovery_codes.filter(used_at=None).count()
    AuditService.record(action=AuditAction.RECOVERY_CODE_USED, account_id=user.pk, left=left)
    NoticeService.tell_owner(user_id=user.pk, notice=Notice.RECOVERY_CODE_USED)
    return True


def _seconds_to_wait(user: User) -> int:
    """Return for how long no code of the app is taken from the account, 0 if one is."""
    limits = [settings.THROTTLE_RATES[scope] for scope in _WRONG_CODES]
    tried = user.mfa_challenges.filter(attempts__gt=0).order_by("-created_at").values_list("created_at", "attempts")
    # Each of them was wrong once at least, so no more can be needed to use a limit up.
    latest = list(tried[: max(count for count, _ in limits)])
    return max(_seconds_until_free(latest, count, window) for count, window in limits)


def _seconds_until_free(latest: list[tuple[datetime, int]], count: int, window: int) -> int:
    """Return when enough of the tries, newest first, have left the window; they count from their challenge's begin."""
    wrong = 0
    for begun_at, attempts in latest:
        wrong += attempts
        if wrong >= count:
            left = begun_at + timedelta(seconds=window) - timezone.now()
            return max(0, math.ceil(left.total_seconds()))
    return 0


def _tell_of_failures(user: User) -> None:
    log.warning("mfa_codes_used_up", account_id=str(user.pk))
    since = timezone.now() - _OWNER_IS_TOLD_EVERY
    if AuditEntry.objects.filter(account_id=user.pk, action=AuditAction.MFA_FAILURES, created_at__gt=since).exists():
        return
    AuditService.record(action=AuditAction.MFA_FAILURES, account_id=user.pk)
    NoticeService.tell_owner(user_id=user.pk, notice=Notice.MFA_FAILURES)
