import re
from collections.abc import Sequence
from typing import Any, Final, cast

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from apps.common.exceptions import AuthenticationError
from apps.common.throttling import tally_of
from apps.common.types import SignedIn
from apps.users.exceptions import TokenInvalidError
from apps.users.services import SessionService
from apps.users.types import Account, Admitted, Bearer
from infrastructure.ratelimit import Limit

_BEARER: Final = re.compile(r"bearer +(\S+)", re.IGNORECASE)


class JWTAuthentication(BaseAuthentication):
    """`Authorization: Bearer ACCESS` (RFC 6750). Authority is read from the account at each request."""

    def authenticate(self, request: Request) -> tuple[Account, Admitted] | None:
        """Return the account that the token speaks for, or None without a bearer token.

        The limits of the request are counted on the way.

        Raises:
            AuthenticationError: If there is a token and it is not good.
        """
        header = request.META.get("HTTP_AUTHORIZATION", "")
        if not header.lower().startswith("bearer"):
            return None
        match = _BEARER.fullmatch(header)
        if match is None:
            raise TokenInvalidError
        tally = tally_of(request)
        admitted = SessionService.admit(access=match[1], limits_of=tally.limits)
        tally.counted(admitted.account.id, admitted.verdict)
        return admitted.account, admitted

    def authenticate_header(self, request: Request) -> str:
        # Without it DRF would answer 403 to a missing token.
        return "Bearer"


def bearer_of(request: Request) -> Bearer:
    """Return what the access token of a signed-in request says."""
    admitted: Any = request.auth
    return cast("Bearer", admitted.bearer)


class UsersDoor:
    """Signs in whoever opens a socket: a SocketDoor."""

    def by_token(self, token: str) -> SignedIn:
        """Return whom an access token speaks for.

        Raises:
            AuthenticationError: If it is not good.
        """
        return _signed_in(SessionService.admit(access=token, limits_of=lambda _: ()))

    def by_ticket(self, ticket: str) -> SignedIn:
        """Return whom a ticket speaks for, which it does once.

        Raises:
            AuthenticationError: If it is none, or none any more.
        """
        return _signed_in(SessionService.redeem_ticket(ticket=ticket))

    def again(self, callers: Sequence[tuple[SignedIn, Sequence[Limit]]]) -> list[SignedIn | AuthenticationError]:
        """Return, of each of several, the same as he is now, with the verdict on the limits, or why he is refused."""
        bearers = [(signed_in.bearer, limits) for signed_in, limits in callers]
        return [_outcome(outcome) for outcome in SessionService.readmit_all(callers=bearers)]

    def standing(self, signed_in: Sequence[SignedIn]) -> list[SignedIn | AuthenticationError]:
        """Return, of each of several, the same as the database has him now, or why he is refused."""
        bearers = [somebody.bearer for somebody in signed_in]
        return [_outcome(outcome) for outcome in SessionService.standing(bearers=bearers)]


def _outcome(outcome: Admitted | AuthenticationError) -> SignedIn | AuthenticationError:
    return outcome if isinstance(outcome, AuthenticationError) else _signed_in(outcome)


def _signed_in(admitted: Admitted) -> SignedIn:
    bearer = admitted.bearer
    return SignedIn(admitted.account, bearer.session_id, bearer, bearer.expires_at, admitted.verdict)


class BearerScheme(OpenApiAuthenticationExtension):
    """How the OpenAPI document shows JWTAuthentication."""

    target_class = JWTAuthentication
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
