"""Limits on requests. A class names its scopes and never a rate: rates stand in settings.THROTTLE_RATES alone."""

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

from django.conf import settings
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from apps.common.requests import client_network, read_body
from infrastructure.email.addresses import normalize_address
from infrastructure.ratelimit import Limit, RateLimiterUnavailable, Verdict, hit, hit_local

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
        self.verdict = Verdict(allowed=True, retry_after=0, states=())

    def limits(self, request: Request) -> Iterable[Limit]:
        """Return what this request counts against."""
        raise NotImplementedError

    def allow_request(self, request: Request, view: "APIView") -> bool:
        self.verdict = count(request, [self])
        return self.verdict.allowed

    def wait(self) -> float:
        return self.verdict.retry_after


class BurstUserThrottle(ScopedThrottle):
    """A minute's worth of requests, per user or, for the anonymous, per address."""

    scope = "burst"

    def limits(self, request: Request) -> Iterable[Limit]:
        user: Any = request.user
        if user.is_authenticated:
            return [limit(self.scope, str(user.id))]
        return [limit(f"anonymous_{self.scope}", client_network(request))]


class SustainedUserThrottle(BurstUserThrottle):
    """A day's worth of requests, per user or, for the anonymous, per address."""

    scope = "sustained"


class RevocationThrottle(BurstUserThrottle):
    """The burst limit of what must act at once or not at all: without Redis it is refused."""

    when_redis_is_away = WhenRedisIsAway.REFUSE


class AccountThrottle(ScopedThrottle):
    """A limit per address, and one per address and account that the body names."""

    scope: str

    def limits(self, request: Request) -> Iterable[Limit]:
        network = client_network(request)
        yield limit(f"{self.scope}_address", network)
        email = _named(request, "email")
        if email is not None:
            # As accounts spell it, or each spelling would have a limit of its own.
            yield limit(self.scope, f"{normalize_address(email)}|{network}")


class LoginThrottle(AccountThrottle):
    scope = "login"
    when_redis_is_away = WhenRedisIsAway.REFUSE


class MfaThrottle(ScopedThrottle):
    """A limit per address, and one for the login that the body names; wrong codes of an account its service counts."""

    scope = "mfa"
    when_redis_is_away = WhenRedisIsAway.REFUSE

    def limits(self, request: Request) -> Iterable[Limit]:
        yield limit(f"{self.scope}_address", client_network(request))
        token = _named(request, "mfa_token")
        if token is not None:
            yield limit(self.scope, token)


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

    def limits(self, request: Request) -> Iterable[Limit]:
        yield limit(f"{self.scope}_address", client_network(request))
        user: Any = request.user
        if user.is_authenticated:
            yield limit(self.scope, str(user.id))


class PasswordThrottle(ScopedThrottle):
    """How often a signed-in user may be asked for the password again: whoever stole a token must not try them all."""

    scope = "password"
    when_redis_is_away = WhenRedisIsAway.REFUSE

    def limits(self, request: Request) -> Iterable[Limit]:
        user: Any = request.user
        if user.is_authenticated:
            yield limit(self.scope, str(user.id))


def limit(scope: str, subject: str) -> Limit:
    """Return the limit that the settings give the scope."""
    count_, window = settings.THROTTLE_RATES[scope]
    return Limit(scope=scope, subject=subject, count=count_, window=window)


def count(request: Request, throttles: Sequence[ScopedThrottle]) -> Verdict:
    """Count the request against all limits of all throttles at once: one script, one round trip.

    Raises:
        RateLimiterUnavailable: If Redis is away and one of the throttles refuses without it.
    """
    limits = [limit_ for throttle in throttles for limit_ in throttle.limits(request)]
    if not limits:
        return Verdict(allowed=True, retry_after=0, states=())
    try:
        return hit(limits)
    except RateLimiterUnavailable:
        strictest = max((throttle.when_redis_is_away for throttle in throttles), key=lambda policy: policy.value)
        if strictest is WhenRedisIsAway.REFUSE:
            raise
        if strictest is WhenRedisIsAway.COUNT_HERE:
            return hit_local(limits)
        return Verdict(allowed=True, retry_after=0, states=())


def _named(request: Request, field: str) -> str | None:
    """Return the text in a field of the body, if there is one; a body that cannot be read is refused in its turn."""
    try:
        data = read_body(request)
    except APIException:
        return None
    value = data.get(field) if isinstance(data, dict) else None
    return value if isinstance(value, str) else None
