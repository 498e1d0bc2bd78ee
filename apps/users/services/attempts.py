"""Failed logins of one account: they delay its next ones and tell the owner, and lock nobody out."""

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from uuid6 import uuid7

from apps.common.exceptions import ThrottledError
from apps.users.enums import AuditAction, Notice
from apps.users.managers import UserManager
from apps.users.selectors import SessionSelector, UserSelector
from apps.users.services.audit import AuditService
from apps.users.services.notices import NoticeService
from infrastructure import origin
from infrastructure.gate import Gate, GateFull
from infrastructure.ratelimit import Limit, RateLimiterUnavailable, configured, hit, hit_local, is_reached

_HOUR: Final = 3_600

log = structlog.get_logger("layerline.users")
_delayed: Final = Gate()


class AttemptService:
    """Tries at the admin site's forms. They count together with those over the API.

    Without Redis a tenth of each limit is counted in this process: operators must get in then, too.
    """

    @staticmethod
    def admit_login(*, email: str) -> None:
        """Count a login.

        Raises:
            ThrottledError: If it is one too many.
        """
        network = origin.network_of(origin.current().address or "")
        account = UserManager.normalize_email(email)
        _admit([configured("login_address", network), configured("login", f"{account}|{network}")])

    @staticmethod
    def admit_password(*, user_id: UUID) -> None:
        """Count a try at the password of whoever is signed in.

        Raises:
            ThrottledError: If it is one too many.
        """
        _admit([configured("password", str(user_id))])

    @staticmethod
    def login_failed(*, email: str) -> None:
        """Count a login that failed, and tell the owner when they are too many."""
        with suppress(RateLimiterUnavailable):
            count_failure(email=email, user_id=UserSelector.id_by_email(email=email))


def _admit(limits: Sequence[Limit]) -> None:
    try:
        verdict = hit(limits)
    except RateLimiterUnavailable:
        verdict = hit_local(limits)
    if not verdict.allowed:
        raise ThrottledError(verdict.retry_after)


def delay_after_failures(email: str) -> None:
    """Wait before the password is looked at, if logins of this account have failed too often of late.

    Whoever comes from where the account has an open session does not wait: that is the owner at home. Beyond
    LOGIN_DELAYED_AT_ONCE nobody waits either, since threads that sleep serve nobody.

    Raises:
        RateLimiterUnavailable: If Redis is away.
    """
    if not is_reached(_failures(email)):
        return
    network = origin.network_of(origin.current().address or "")
    if SessionSelector.is_open_at(email=email, network=network):
        return
    with suppress(GateFull), _delayed.entered(at_once=settings.LOGIN_DELAYED_AT_ONCE, waiting=0, seconds=0):
        time.sleep(settings.LOGIN_DELAY)


def count_failure(*, email: str, user_id: UUID | None) -> None:
    """Count a login that failed; once in an hour the owner of the account is told that they are too many.

    The audit trail is told as often: an entry for each would let anybody fill it.

    Args:
        user_id: The account's; None if there is none, of which nobody must learn: it is counted, and told to nobody,
            in the same time.

    Raises:
        RateLimiterUnavailable: If Redis is away.
    """
    (failures,) = hit([_failures(email)]).states
    notices = Limit("login_failures_notice", UserManager.normalize_email(email), count=1, window=_HOUR)
    if failures.remaining or not hit([notices]).allowed:
        return
    log.warning("login_failures", account_id=str(user_id) if user_id else None)
    account_id = user_id or uuid7()
    with transaction.atomic():
        AuditService.record(action=AuditAction.LOGIN_FAILURES, account_id=account_id)
        NoticeService.tell_owner(user_id=account_id, notice=Notice.LOGIN_FAILURES)


def _failures(email: str) -> Limit:
    return configured("login_failures", UserManager.normalize_email(email))
