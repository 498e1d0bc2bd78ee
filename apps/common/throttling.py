"""Limits on requests. A class names its scopes and never a rate: rates stand in settings.THROTTLE_RATES alone."""

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from apps.common.requests import client_network, read_body
from infrastructure.email.addresses import normalize_address
from infrastructure.ratelimit import NO_LIMITS, Limit, RateLimiterUnavailable, Verdict, configured, hit, hit_local

if TYPE_CHECKING:
    from rest_framework.views import APIView


class WhenRedisIsAway(Enum):
    """What a limit does that cannot be counted, from the mildest to the strictest."""

    SERVE = 0
    COUNT_HERE = 1
    REFUSE = 2


class ScopedThrottle(BaseThrottle):
    """One or more limits of a request. The base view counts those of all its throttles in one round trip."""

    when_redis_is_away = WhenRedisIsAway.SERVE

    def __init__(self) -> None:
        self.verdict = NO_LIMITS

    def limits(self, request: Request, user_id: UUID | None) -> Iterable[Limit]:
        """Return what this request counts against.

        Args:
            user_id: Whose it is, or None without a good token; `request.user` is not known yet.
        """
        raise NotImplementedError

    def allow_request(self, request: Request, view: "APIView") -> bool:
        user: Any = request.user
        self.verdict = Tally(request, [self]).verdict(user.id if user.is_authenticated else None)
        return self.verdict.allowed

    def wait(self) -> float:
        return self.verdict.retry_after


class Tally:
    """All limits of one request, counted once.

    Whoever authenticates the request may count them on the way, for then it takes no round trip of its own; the view
    looks at the verdict when its turn has come.
    """

    def __init__(self, request: Request, throttles: Sequence[ScopedThrottle]) -> None:
        self._request = request
        self._throttles = throttles
        self._counted: dict[UUID | None, Verdict | None] = {}

    def limits(self, user_id: UUID | None) -> list[Limit]:
        """Return what the request counts against if it is this user's, or nobody's."""
        return [limit for throttle in self._throttles for limit in throttle.limits(self._request, user_id)]

    def counted(self, user_id: UUID, verdict: Verdict | None) -> None:
        """Take the verdict of whoever has counted the limits, or None from whoever found Redis away."""
        self._counted[user_id] = verdict

    def verdict(self, user_id: UUID | None) -> Verdict:
        """Return the verdict; count the request now if nobody has.

        Raises:
            RateLimiterUnavailable: If Redis is away and one of the throttles refuses without it.
        """
        if user_id not in self._counted:
            self._counted[user_id] = self._count(user_id)
        verdict = self._counted[user_id]
        return self._without_redis(user_id) if verdict is None else verdict

    def _count(self, user_id: UUID | None) -> Verdict | None:
        try:
            return hit(self.limits(user_id))
        except RateLimiterUnavailable:
            return None

    def _without_redis(self, user_id: UUID | None) -> Verdict:
        strictest = max((throttle.when_redis_is_away for throttle in self._throttles), key=lambda policy: policy.value)
        if strictest is WhenRedisIsAway.REFUSE:
            raise RateLimiterUnavailable("Redis is not available, and this must be counted.")
        if strictest is WhenRedisIsAway.COUNT_HERE:
            return hit_local(self.limits(user_id))
        return NO_LIMITS


def tally_of(request: Request) -> Tally:
    """Return the tally that the base view has put on its request; elsewhere one without limits."""
    tally: Tally | None = getattr(request, "tally", None)
    return tally or Tally(request, [])


class BurstUserThrottle(ScopedThrottle):
    """A minute's worth of requests, per user or, for the anonymous, per address."""

    scope = "burst"

    def limits(self, request: Request, user_id: UUID | None) -> Iterable[Limit]:
        if user_id:
            return [configured(self.scope, str(user_id))]
        return [configured(f"anonymous_{self.scope}", client_network(request))]


class SustainedUserThrottle(BurstUserThrottle):
    """A day's worth of requests, per user or, for the anonymous, per address."""

    scope = "sustained"


class RevocationThrottle(BurstUserThrottle):
    """The burst limit of what must act at once or not at all: without Redis it is refused."""

    when_redis_is_away = WhenRedisIsAway.REFUSE


class AccountThrottle(ScopedThrottle):
    """A limit per address, and one per address and account that the body names."""

    scope: str

    def limits(self, request: Request, user_id: UUID | None) -> Iterable[Limit]:
        network = client_network(request)
        yield configured(f"{self.scope}_address", network)
        email = _named(request, "email")
        if email is not None:
            # As accounts spell it, or each spelling would have a limit of its own.
            yield configured(self.scope, f"{normalize_address(email)}|{network}")


class LoginThrottle(AccountThrottle):
    scope = "login"
    when_redis_is_away = WhenRedisIsAway.REFUSE


class MfaThrottle(ScopedThrottle):
    """A limit per address, and one for the login that the body names; wrong codes of an account its service counts."""

    scope = "mfa"
    when_redis_is_away = WhenRedisIsAway.REFUSE

    def limits(self, request: Request, user_id: UUID | None) -> Iterable[Limit]:
        yield configured(f"{self.scope}_address", client_network(request))
        token = _named(request, "mfa_token")
        if token is not None:
            yield configured(self.scope, token)


class RegisterThrottle(AccountThrottle):
    scope = "register"
    when_redis_is_away = WhenRedisIsAway.COUNT_HERE


class ResetThrottle(AccountThrottle):
    """Asking for a new password and setting it; the body of the second names no account, only a token."""

    scope = "reset"
    when_redis_is_away = WhenRedisIsAway.COUNT_HERE


class VerifyThrottle(ScopedThrottle):
    """Confirming an address by a token, per address of the client, and asking for another mail, per user as well."""

    scope = "verify"
    when_redis_is_away = WhenRedisIsAway.COUNT_HERE

    def limits(self, request: Request, user_id: UUID | None) -> Iterable[Limit]:
        yield configured(f"{self.scope}_address", client_network(request))
        if user_id:
            yield configured(self.scope, str(user_id))


class PasswordThrottle(ScopedThrottle):
    """How often a signed-in user may be asked for the password again: whoever stole a token must not try them all."""

    scope = "password"
    when_redis_is_away = WhenRedisIsAway.REFUSE

    def limits(self, request: Request, user_id: UUID | None) -> Iterable[Limit]:
        if user_id:
            yield configured(self.scope, str(user_id))


def _named(request: Request, field: str) -> str | None:
    """Return the text in a field of the body, if there is one; a body that cannot be read is refused in its turn."""
    try:
        data = read_body(request)
    except APIException:
        return None
    value = data.get(field) if isinstance(data, dict) else None
    return value if isinstance(value, str) else None
