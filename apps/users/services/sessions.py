import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from django.conf import settings
from django.contrib.sessions.models import Session as BrowserSession
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from apps.common.exceptions import NotFoundError
from apps.users.enums import AuditAction, Notice
from apps.users.exceptions import (
    SessionRevokedError,
    TokenExpiredError,
    TokenInvalidError,
    TokenReusedError,
    WrongCredentialsError,
)
from apps.users.models import RefreshToken, Session, User
from apps.users.selectors import session_cache
from apps.users.services.admission import Outcome, admit, admit_all, standing
from apps.users.services.audit import AuditService
from apps.users.services.locks import lock_user, lock_verified_user
from apps.users.services.notices import NoticeService
from apps.users.services.sockets import tell_sockets
from apps.users.types import Account, Admitted, Bearer, Credentials, Ticket
from infrastructure import batches, origin, tickets, tokens
from infrastructure.batches import Purged
from infrastructure.queue import outbox
from infrastructure.queue.outbox import JSON
from infrastructure.ratelimit import Limit
from infrastructure.tokens import TokenClaims, TokenPair, TokenService

# A client that lost the answer to its refresh may ask once more within this time (RFC 9700, section 4.14.2).
REUSE_GRACE: Final = timedelta(seconds=10)
# A client asks for a ticket when it is about to use it.
TICKET_SECONDS: Final = 30

log = structlog.get_logger("layerline.users")


class SessionService:
    @staticmethod
    def open(*, user_id: UUID, password_hash: str) -> Credentials:
        """Begin a session for a user whose password was just verified.

        Raises:
            WrongCredentialsError: If the account was closed or its password changed since then.
        """
        with transaction.atomic():
            user = lock_verified_user(user_id, password_hash)
            if user is None:
                raise WrongCredentialsError
            client = origin.current()
            session = Session.objects.create(
                user=user,
                address=client.address,
                user_agent=client.user_agent,
                expires_at=timezone.now() + settings.SESSION_LIFETIME,
            )
            pair = _issue(user, session)
            _store(pair.refresh_claims, session)
            AuditService.record(action=AuditAction.SIGNED_IN, account_id=user.pk, session_id=str(session.pk))
        return _credentials(pair)

    @staticmethod
    def admit(*, access: str, limits_of: Callable[[UUID], Sequence[Limit]]) -> Admitted:
        """Return the account that an access token speaks for, and count what it asks for on the way.

        Args:
            limits_of: What the request counts against, by the id of the user whom the token names.

        Raises:
            TokenExpiredError, TokenInvalidError: If the token is not good.
            SessionRevokedError: If its session is over, the account closed or all its tokens revoked.
        """
        claims = _decode(access, "access")
        bearer = Bearer(claims.subject, claims.session_id, claims.version, claims.expires_at)
        return admit(bearer, limits_of(claims.subject))

    @staticmethod
    def readmit_all(*, callers: Sequence[tuple[Bearer, Sequence[Limit]]]) -> list[Outcome]:
        """Return the accounts of bearers who were admitted before, and count what they ask for now.

        Of whom is refused the error is returned: a token that has ended, or a session.
        """
        return admit_all(callers)

    @staticmethod
    def standing(*, bearers: Sequence[Bearer]) -> list[Outcome]:
        """Return the accounts of bearers as the database has them, in one query, or the error of whom it refuses."""
        return standing(bearers)

    @staticmethod
    def resume(*, access: str) -> Account:
        """Return the account that an access token speaks for, and count nothing.

        Raises:
            TokenExpiredError, TokenInvalidError: If the token is not good.
            SessionRevokedError: If its session is over, the account closed or all its tokens revoked.
        """
        return SessionService.admit(access=access, limits_of=lambda _: ()).account

    @staticmethod
    def refresh(*, token: str) -> Credentials:
        """Trade a refresh token for a new pair; the old one is used up.

        Within REUSE_GRACE the direct predecessor of a still unused newest token gets that same token again: the
        answer to the first try may have been lost on its way. Any other reuse means that two hold the token, and
        ends the session (RFC 9700, section 4.14.2).

        Raises:
            TokenExpiredError, TokenInvalidError: If the token is not good.
            TokenReusedError: If it was used before.
            SessionRevokedError: If its session is over, the account closed or all its tokens revoked.
        """
        claims = _decode(token, "refresh")
        credentials = _rotate(claims)
        if credentials is None:
            log.warning("refresh_token_reused", account_id=str(claims.subject), session_id=str(claims.session_id))
            raise TokenReusedError
        return credentials

    @staticmethod
    def logout(*, token: str) -> None:
        """End the session that a refresh token belongs to. A token that is not good has no session to end.

        Raises:
            RedisUnavailable: If Redis is away, and the session goes on.
        """
        try:
            claims = _decode(token, "refresh")
        except (TokenExpiredError, TokenInvalidError):
            return
        with transaction.atomic():
            if end_sessions(Session.objects.filter(pk=claims.session_id, user_id=claims.subject)):
                AuditService.record(
                    action=AuditAction.SIGNED_OUT, account_id=claims.subject, session_id=str(claims.session_id)
                )

    @staticmethod
    def logout_all(*, user_id: UUID) -> None:
        """End every session of a user.

        Raises:
            NotFoundError: If there is no such account.
            RedisUnavailable: If Redis is away, and the sessions go on.
        """
        with transaction.atomic():
            user = lock_user(user_id)
            end_all_sessions(user)
            user.save(update_fields=["token_version", "updated_at"])
            AuditService.record(action=AuditAction.SIGNED_OUT_EVERYWHERE, account_id=user_id)

    @staticmethod
    def end(*, user_id: UUID, session_id: UUID) -> None:
        """End one of a user's open sessions.

        Raises:
            NotFoundError: If it is none of them.
            RedisUnavailable: If Redis is away, and the session goes on.
        """
        with transaction.atomic():
            mine = Session.objects.filter(pk=session_id, user_id=user_id, expires_at__gt=timezone.now())
            if not end_sessions(mine):
                raise NotFoundError
            AuditService.record(action=AuditAction.SESSION_ENDED, account_id=user_id, session_id=str(session_id))

    @staticmethod
    def issue_ticket(*, bearer: Bearer) -> Ticket:
        """Make a ticket that opens one socket in the place of an access token, which no address may hold.

        Raises:
            RedisUnavailable: If Redis is away.
        """
        left = math.ceil((bearer.expires_at - timezone.now()).total_seconds())
        seconds = max(1, min(TICKET_SECONDS, left))
        return Ticket(tickets.issue(_ticket_claims(bearer), seconds=seconds), seconds)

    @staticmethod
    def redeem_ticket(*, ticket: str) -> Admitted:
        """Return whom a ticket speaks for. It does so once, however many ask at the same time.

        Raises:
            TokenInvalidError: If it is no ticket, or not one any more.
            TokenExpiredError: If the access token that it was made with has expired.
            SessionRevokedError: If its session is over, the account closed or all its tokens revoked.
            RedisUnavailable: If Redis is away.
        """
        claims = tickets.redeem(ticket)
        if claims is None:
            raise TokenInvalidError
        bearer = _bearer(claims)
        if bearer.expires_at <= timezone.now():
            raise TokenExpiredError
        return admit(bearer, ())

    @staticmethod
    def purge_expired() -> int:
        """Delete a batch of the sessions, their tokens, and the logins of the admin site that are over by their date.

        The next batch is left to a job.

        Returns:
            How many went.
        """
        now = timezone.now()
        has_tokens = Exists(RefreshToken.objects.filter(session=OuterRef("pk")))
        with transaction.atomic():
            tokens_gone = _delete_expired_tokens(now)
            # A session's tokens end with it at the latest, and go first: a session with thousands would take long.
            gone = batches.delete(Session.objects.filter(~has_tokens, expires_at__lte=now), oldest="expires_at")
            browsers_gone = batches.delete(BrowserSession.objects.filter(expire_date__lte=now), oldest="expire_date")
            purged = (tokens_gone, gone, browsers_gone)
            if any(batch.more for batch in purged):
                outbox.enqueue("users.clean_expired_tokens", {})
        return sum(batch.count for batch in purged)

    @staticmethod
    def forget_origins() -> int:
        """Take address and program out of a batch of sessions older than AUDIT_RETENTION, leave the next to a job.

        Returns:
            Of how many.
        """
        told = ~Q(address=None, user_agent="")
        old = Session.objects.filter(told, created_at__lte=timezone.now() - settings.AUDIT_RETENTION)
        with transaction.atomic():
            found = list(old.order_by("pk").values_list("pk", flat=True)[: batches.SIZE])
            held = batches.hold(old.filter(pk__in=found))
            Session.objects.filter(pk__in=held).update(address=None, user_agent="")
            if held and len(found) == batches.SIZE:
                outbox.enqueue("users.clean_session_origins", {})
        return len(held)


def end_sessions(sessions: QuerySet[Session]) -> list[UUID]:
    """End those that have not ended yet: when the open transaction is committed, none of their tokens works any more.

    Returns:
        The ids of those that were ended.

    Raises:
        RedisUnavailable: If Redis is away. The transaction must not be committed then: a cached copy would outlive it.
    """
    rows = sessions.filter(ended_at=None).order_by("pk").select_for_update().values_list("pk", "user_id")
    owners = dict(rows)
    session_cache.forget(owners)
    Session.objects.filter(pk__in=owners).update(ended_at=timezone.now())
    tell_sockets(owners.values())
    return list(owners)


def end_all_sessions(user: User, *, but: Session | None = None) -> None:
    """End them and raise the version, which also refuses tokens of sessions that are being opened meanwhile.

    Args:
        but: One that goes on; it needs a new pair, as its tokens are refused like all others.

    Raises:
        RedisUnavailable: If Redis is away. The transaction must not be committed then.
    """
    user.token_version += 1
    sessions = Session.objects.filter(user=user)
    end_sessions(sessions.exclude(pk=but.pk) if but else sessions)


def renew_session(user: User, session_id: UUID) -> Credentials:
    """End every session of a user but one, which goes on with the pair that is returned.

    Call it with the user's row locked, and save the row.

    Raises:
        SessionRevokedError: If it is over itself.
        RedisUnavailable: If Redis is away. The transaction must not be committed then.
    """
    session = Session.objects.select_for_update().filter(pk=session_id, user=user).first()
    if session is None or not _is_open(session):
        raise SessionRevokedError
    end_all_sessions(user, but=session)
    pair = _issue(user, session)
    _store(pair.refresh_claims, session)
    return _credentials(pair)


def _ticket_claims(bearer: Bearer) -> dict[str, JSON]:
    return {
        "user_id": str(bearer.user_id),
        "session_id": str(bearer.session_id),
        "version": bearer.version,
        "expires_at": bearer.expires_at.isoformat(),
    }


def _bearer(claims: Mapping[str, Any]) -> Bearer:
    return Bearer(
        user_id=UUID(claims["user_id"]),
        session_id=UUID(claims["session_id"]),
        version=claims["version"],
        expires_at=datetime.fromisoformat(claims["expires_at"]),
    )


def _is_open(session: Session) -> bool:
    return session.ended_at is None and session.expires_at > timezone.now()


def _decode(token: str, kind: tokens.TokenType) -> TokenClaims:
    try:
        return TokenService.decode(token, expected_type=kind)
    except tokens.TokenExpiredError as error:
        raise TokenExpiredError from error
    except tokens.TokenError as error:
        raise TokenInvalidError from error


@transaction.atomic(durable=True)
def _rotate(claims: TokenClaims) -> Credentials | None:
    """Return the next pair, or None after ending the session because the token was used before."""
    # The session alone: whoever ends sessions holds the user's row first, and two orders make a deadlock. Nothing is
    # missed by that, since whatever closes an account or raises its version ends its sessions too.
    rows = Session.objects.select_for_update(of=("self",)).select_related("user")
    session = rows.filter(pk=claims.session_id, user_id=claims.subject).first()
    if session is None or not _is_open(session):
        raise SessionRevokedError
    user = session.user
    if not user.is_active or user.token_version != claims.version:
        raise SessionRevokedError
    token = RefreshToken.objects.select_related("successor").filter(pk=claims.token_id, session=session).first()
    if token is None:
        raise TokenInvalidError
    now = timezone.now()
    if token.used_at is None:
        pair = _issue(user, session)
        token.successor = _store(pair.refresh_claims, session)
        token.used_at = now
        token.save(update_fields=["successor", "used_at"])
        session.last_used_at = now
        session.save(update_fields=["last_used_at", "updated_at"])
        return _credentials(pair)
    if token.successor and token.successor.used_at is None and now - token.used_at <= REUSE_GRACE:
        return _same_again(user, session, token.successor)
    end_sessions(Session.objects.filter(pk=session.pk))
    AuditService.record(action=AuditAction.TOKEN_REUSED, account_id=user.pk, session_id=str(session.pk))
    NoticeService.tell_owner(user_id=user.pk, notice=Notice.TOKEN_REUSED)
    return None


def _issue(user: User, session: Session) -> TokenPair:
    return TokenService.generate_pair(
        user_id=user.pk,
        role=user.role,
        version=user.token_version,
        session_id=session.pk,
        refresh_expires_at=session.expires_at,
    )


def _same_again(user: User, session: Session, token: RefreshToken) -> Credentials:
    claims = TokenClaims(
        subject=user.pk,
        session_id=session.pk,
        token_id=token.pk,
        token_type="refresh",  # noqa: S106  # the kind of token, not one
        version=token.version,
        role=None,
        issued_at=token.issued_at,
        expires_at=token.expires_at,
        key_id=token.key_id,
    )
    try:
        refresh = TokenService.refresh(claims=claims)
    except tokens.TokenError as error:
        raise TokenInvalidError from error
    access = TokenService.access(user_id=user.pk, role=user.role, version=user.token_version, session_id=session.pk)
    return Credentials(access=access, refresh=refresh, expires_in=int(settings.ACCESS_TOKEN_LIFETIME.total_seconds()))


def _store(claims: TokenClaims, session: Session) -> RefreshToken:
    return RefreshToken.objects.create(
        id=claims.token_id,
        session=session,
        key_id=claims.key_id,
        version=claims.version,
        issued_at=claims.issued_at,
        expires_at=claims.expires_at,
    )


def _credentials(pair: TokenPair) -> Credentials:
    return Credentials(access=pair.access, refresh=pair.refresh, expires_in=pair.expires_in)


def _delete_expired_tokens(now: datetime) -> Purged:
    """Delete a batch of them while their sessions are held: a token names another one, and who holds a session may
    change both.
    """
    expired = RefreshToken.objects.filter(expires_at__lte=now).order_by("expires_at")
    found = dict(expired.values_list("pk", "session_id")[: batches.SIZE])
    sessions = batches.hold(Session.objects.filter(pk__in=set(found.values())))
    count, _ = RefreshToken.objects.filter(pk__in=found, session__in=sessions).delete()
    return Purged(count, more=len(found) == batches.SIZE and bool(count))
