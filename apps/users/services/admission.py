"""Who stands at the door: one round trip to Redis where it knows the caller, one query where it does not."""

from collections.abc import Callable, Sequence
from functools import partial

from django.db import connection
from django.utils import timezone

from apps.common.exceptions import AuthenticationError
from apps.users.exceptions import SessionRevokedError, TokenExpiredError
from apps.users.selectors import (
    OPEN_SESSION_VERSION,
    SessionSelector,
    account_cache,
    from_payload,
    session_cache,
    session_from_payload,
    session_to_payload,
    to_payload,
)
from apps.users.types import Account, Admitted, Bearer, OpenSession
from infrastructure import admission
from infrastructure.admission import Admission, Row
from infrastructure.ratelimit import Limit, RateLimiterUnavailable, Verdict

# Whom several were let in together, or why one of them was not.
type Outcome = Admitted | AuthenticationError


def admit(bearer: Bearer, limits: Sequence[Limit]) -> Admitted:
    """Return the account of a bearer, and the verdict on the limits.

    Raises:
        SessionRevokedError: If the session is over, the account closed or all its tokens revoked; then nothing is
            counted, unless Redis had not heard of it.
    """
    try:
        known = admission.admit([(account_cache, bearer.user_id), (session_cache, bearer.session_id)], limits)
    except RateLimiterUnavailable:
        return Admitted(_stored(bearer)[1], bearer, verdict=None)
    if known.rows:
        return _remembered(bearer, known)
    session, account = _stored(bearer)
    return Admitted(account, bearer, _keep_and_count(bearer, session, account, limits, known.history))


def admit_all(callers: Sequence[tuple[Bearer, Sequence[Limit]]]) -> list[Outcome]:
    """Do for several bearers, in their order, what `admit` does for one; return the error of whom it would refuse."""
    try:
        known = admission.admit_all(
            [
                ([(account_cache, bearer.user_id), (session_cache, bearer.session_id)], limits)
                for bearer, limits in callers
            ]
        )
    except RateLimiterUnavailable:
        return standing([bearer for bearer, _ in callers])
    return [
        _outcome(bearer, partial(_remembered, bearer, found) if found.rows else partial(admit, bearer, limits))
        for (bearer, limits), found in zip(callers, known, strict=True)
    ]


def standing(bearers: Sequence[Bearer]) -> list[Outcome]:
    """Return the accounts of bearers as they stand in the database, in one query, or the error of whom it refuses."""
    stored = SessionSelector.open_with_accounts(session_ids={bearer.session_id for bearer in bearers})
    return [_outcome(bearer, partial(_found, bearer, stored.get(bearer.session_id))) for bearer in bearers]


def _outcome(bearer: Bearer, look: Callable[[], Admitted]) -> Outcome:
    if bearer.expires_at <= timezone.now():
        return TokenExpiredError()
    try:
        return look()
    except SessionRevokedError as error:
        return error


def _remembered(bearer: Bearer, known: Admission) -> Admitted:
    return _admitted(bearer, session_from_payload(known.rows[1]), from_payload(known.rows[0]), known.verdict)


def _found(bearer: Bearer, stored: tuple[OpenSession, Account] | None) -> Admitted:
    if stored is None:
        raise SessionRevokedError
    return _admitted(bearer, *stored, verdict=None)


def _admitted(bearer: Bearer, session: OpenSession, account: Account, verdict: Verdict | None) -> Admitted:
    _require_open(bearer, session, account)
    return Admitted(account, bearer, verdict)


def _stored(bearer: Bearer) -> tuple[OpenSession, Account]:
    found = SessionSelector.open_with_account(session_id=bearer.session_id, user_id=bearer.user_id)
    if found is None:
        raise SessionRevokedError
    _require_open(bearer, *found)
    return found


def _require_open(bearer: Bearer, session: OpenSession, account: Account) -> None:
    if (
        session.user_id != bearer.user_id
        or session.expires_at <= timezone.now()
        or not account.is_active
        or account.token_version != bearer.version
    ):
        raise SessionRevokedError


def _keep_and_count(
    bearer: Bearer, session: OpenSession, account: Account, limits: Sequence[Limit], history: str
) -> Verdict | None:
    rows = [
        Row(account_cache, bearer.user_id, account.row_version, to_payload(account)),
        Row(session_cache, bearer.session_id, OPEN_SESSION_VERSION, session_to_payload(session)),
    ]
    # What a transaction reads may be its own, and may never be committed.
    if connection.in_atomic_block:
        rows = []
    try:
        return admission.keep_and_count(rows, limits, history=history)
    except RateLimiterUnavailable:
        return None
