"""Signed access, refresh and challenge tokens (JSON Web Tokens, RFC 7519), strict about what is accepted."""

import re
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hmac import compare_digest
from typing import Any, Final, Literal
from uuid import UUID

import jwt
import orjson
from django.conf import settings
from uuid6 import uuid7

type TokenType = Literal["access", "refresh"]

ALGORITHM: Final = "HS256"
# Clocks of several machines differ; expiry gets no such grace.
LEEWAY: Final = timedelta(seconds=5)
# A token of ours has some 500 characters; nothing longer is worth the work of decoding.
MAX_LENGTH: Final = 4_096
_SHAPE: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_CLAIMS: Final = ["iss", "aud", "sub", "sid", "type", "ver", "iat", "exp", "jti"]
# A login that is not complete has no session yet, and its row knows the version.
_MFA_CLAIMS: Final = ["iss", "aud", "sub", "type", "iat", "exp", "jti"]


class TokenError(Exception):
    """A token that opens nothing."""


class TokenExpiredError(TokenError):
    """A genuine token of the expected type whose time is over."""


class TokenInvalidError(TokenError):
    """Not a token of ours, or not of the expected type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenClaims:
    """What a token says; times in UTC and whole seconds.

    Args:
        role: A hint for clients, in access tokens only; authority is read from the user.
        version: The user's token version at signing.
        key_id: Which key signed it.
    """

    subject: UUID
    session_id: UUID
    token_id: UUID
    token_type: str
    version: int
    role: str | None
    issued_at: datetime
    expires_at: datetime
    key_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPair:
    """What a login gives; `expires_in` are the seconds of the access token."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    expires_in: int
    refresh_claims: TokenClaims


@dataclass(frozen=True, slots=True, kw_only=True)
class MfaClaims:
    """What the token of a login says whose second factor is still to come."""

    subject: UUID
    challenge_id: UUID
    issued_at: datetime
    expires_at: datetime


class TokenService:
    """Makes and reads tokens; knows no user, no session and no request."""

    @staticmethod
    def generate_pair(
        *, user_id: UUID, role: str, version: int, session_id: UUID, refresh_expires_at: datetime | None = None
    ) -> TokenPair:
        """Return an access token and a refresh token of one session.

        Args:
            user_id: The subject of both.
            role: The hint in the access token.
            version: The user's token version.
            session_id: The session they belong to.
            refresh_expires_at: The end of the session, which no refresh token outlives.
        """
        issued_at = _now()
        expires_at = issued_at + settings.REFRESH_TOKEN_LIFETIME
        if refresh_expires_at is not None:
            expires_at = min(expires_at, refresh_expires_at.astimezone(UTC).replace(microsecond=0))
        claims = TokenClaims(
            subject=user_id,
            session_id=session_id,
            token_id=uuid7(),
            token_type="refresh",  # noqa: S106  # the kind of token, no secret
            version=version,
            role=None,
            issued_at=issued_at,
            expires_at=expires_at,
            key_id=_keys().signing,
        )
        return TokenPair(
            access=TokenService.access(user_id=user_id, role=role, version=version, session_id=session_id),
            refresh=_encode(claims),
            expires_in=int(settings.ACCESS_TOKEN_LIFETIME.total_seconds()),
            refresh_claims=claims,
        )

    @staticmethod
    def access(*, user_id: UUID, role: str, version: int, session_id: UUID) -> str:
        """Return a fresh access token of the session."""
        issued_at = _now()
        return _encode(
            TokenClaims(
                subject=user_id,
                session_id=session_id,
                token_id=uuid7(),
                token_type="access",  # noqa: S106  # the kind of token, no secret
                version=version,
                role=role,
                issued_at=issued_at,
                expires_at=issued_at + settings.ACCESS_TOKEN_LIFETIME,
                key_id=_keys().signing,
            )
        )

    @staticmethod
    def refresh(*, claims: TokenClaims) -> str:
        """Return the very token that the claims were stored for, byte for byte, so that no table need hold it.

        Raises:
            TokenInvalidError: If its key is no longer configured.
        """
        return _encode(claims)

    @staticmethod
    def decode(token: str, *, expected_type: TokenType) -> TokenClaims:
        """Return what a genuine, current token of the expected type says.

        Raises:
            TokenExpiredError: If only its time is wrong.
            TokenInvalidError: If anything else is.
        """
        claims = _genuine(token, expected_type, _keys(), settings.JWT_ISSUER, settings.JWT_AUDIENCE)
        _refuse_expired(claims.expires_at)
        return claims

    @staticmethod
    def mfa(*, claims: MfaClaims) -> str:
        """Return the token of a login whose second factor is still to come."""
        payload = {
            "iss": settings.JWT_ISSUER,
            "aud": settings.JWT_AUDIENCE,
            "sub": str(claims.subject),
            "type": "mfa",
            "iat": int(claims.issued_at.timestamp()),
            "exp": int(claims.expires_at.timestamp()),
            "jti": str(claims.challenge_id),
        }
        return _sign(payload, _keys().signing)

    @staticmethod
    def decode_mfa(token: str) -> MfaClaims:
        """Return what a genuine, current token of such a login says.

        Raises:
            TokenExpiredError: If only its time is wrong.
            TokenInvalidError: If anything else is.
        """
        payload, _ = _verified(token, require=_MFA_CLAIMS, expected_type="mfa")
        claims = MfaClaims(
            subject=_uuid(payload["sub"]),
            challenge_id=_uuid(payload["jti"]),
            issued_at=_moment(payload["iat"]),
            expires_at=_moment(payload["exp"]),
        )
        _refuse_expired(claims.expires_at)
        return claims


@dataclass(frozen=True, slots=True, eq=False)
class _Keys:
    """Every configured key by its id, the id of the one that signs, and whose id each header tells that we write."""

    by_id: dict[str, jwt.PyJWK]
    signing: str
    by_header: dict[str, str]


def _keys() -> _Keys:
    return _parsed(tuple((key["kid"], key["secret"], key["sign"]) for key in settings.JWT_KEYS))


@lru_cache(maxsize=8)
def _parsed(keys: tuple[tuple[str, str, bool], ...]) -> _Keys:
    by_id = {key_id: _parse(secret) for key_id, secret, _ in keys}
    signing = next(key_id for key_id, _, signs in keys if signs)
    headers = {_encoded({}, key_id, key).partition(".")[0]: key_id for key_id, key in by_id.items()}
    return _Keys(by_id=by_id, signing=signing, by_header=headers)


def _parse(secret: str) -> jwt.PyJWK:
    # A parsed key is bound to its algorithm, whatever a token's header asks for.
    encoded = urlsafe_b64encode(secret.encode()).rstrip(b"=").decode("ascii")
    return jwt.PyJWK.from_dict({"kty": "oct", "k": encoded, "alg": ALGORITHM})


def _key_of(header: str) -> tuple[str, jwt.PyJWK]:
    keys = _keys()
    key_id = keys.by_header.get(header) or _key_id_of(header)
    if key_id not in keys.by_id:
        raise TokenInvalidError("Its key is unknown.")
    return key_id, keys.by_id[key_id]


def _key_id_of(header: str) -> str:
    fields = _json_of(header)
    # Nothing but these three: `jwk`, `jku`, `x5u` bring foreign keys, `crit` and `b64` change what is signed.
    if fields.keys() != {"alg", "kid", "typ"} or fields["typ"] != "JWT" or fields["alg"] != ALGORITHM:
        raise TokenInvalidError("Its header is not one of ours.")
    if not isinstance(fields["kid"], str):
        raise TokenInvalidError("Its key has no name.")
    return fields["kid"]


@lru_cache(maxsize=4_096)
def _genuine(token: str, expected_type: TokenType, *_: object) -> TokenClaims:
    """Return what a genuine token says; its time may be over.

    A client sends one token again and again, and what it says changes as little as its signature. What is refused is
    not remembered, and nothing here knows whether the session goes on.

    Args:
        _: What else it hangs on: the keys, the issuer, the audience.
    """
    payload, key_id = _verified(token, require=_CLAIMS, expected_type=expected_type)
    return _claims_of(payload, key_id=key_id, expected_type=expected_type)


def _verified(token: str, *, require: list[str], expected_type: str) -> tuple[dict[str, Any], str]:
    """Return the claims of a token that is genuine, and the id of its key; its time may be over.

    PyJWT's own `decode` takes every algorithm, key and spelling into account, and five times as long.
    """
    if len(token) > MAX_LENGTH or not _SHAPE.fullmatch(token):
        raise TokenInvalidError("It does not have the shape of a token.")
    signed, _, signature = token.rpartition(".")
    header, _, body = signed.partition(".")
    key_id, key = _key_of(header)
    # As text: a signature has several spellings in base64, and only the one that we write is taken.
    expected = urlsafe_b64encode(key.Algorithm.sign(signed.encode("ascii"), key.key)).rstrip(b"=")
    if not compare_digest(expected, signature.encode("ascii")):
        raise TokenInvalidError("Its signature is not ours.")
    payload = _json_of(body)
    _require_claims(payload, require)
    # Expiry is looked at last: "expired" is said only of a token that is good otherwise.
    if payload["type"] != expected_type:
        raise TokenInvalidError(f"It is not of the type {expected_type}.")
    return payload, key_id


def _json_of(segment: str) -> dict[str, Any]:
    try:
        value = orjson.loads(urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    except ValueError:
        raise TokenInvalidError("One of its parts is no JSON in base64.") from None
    if not isinstance(value, dict):
        raise TokenInvalidError("One of its parts is no object.")
    return value


def _require_claims(payload: dict[str, Any], names: list[str]) -> None:
    for name in names:
        if payload.get(name) is None:
            raise TokenInvalidError(f"It has no {name}.")
    if payload["iss"] != settings.JWT_ISSUER or payload["aud"] != settings.JWT_AUDIENCE:
        raise TokenInvalidError("It is another issuer's, or for another audience.")
    latest = time.time() + LEEWAY.total_seconds()
    if _whole(payload["iat"]) > latest or _whole(payload.get("nbf", 0)) > latest:
        raise TokenInvalidError("It is of the future.")


def _refuse_expired(expires_at: datetime) -> None:
    if expires_at <= datetime.now(UTC):
        raise TokenExpiredError("Its time is over.")


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _encode(claims: TokenClaims) -> str:
    # The order is part of the token: re-signing must give the same bytes.
    payload = {
        "iss": settings.JWT_ISSUER,
        "aud": settings.JWT_AUDIENCE,
        "sub": str(claims.subject),
        "sid": str(claims.session_id),
        **({} if claims.role is None else {"role": claims.role}),
        "type": claims.token_type,
        "ver": claims.version,
        "iat": int(claims.issued_at.timestamp()),
        "exp": int(claims.expires_at.timestamp()),
        "jti": str(claims.token_id),
    }
    return _sign(payload, claims.key_id)


def _sign(payload: dict[str, Any], key_id: str) -> str:
    if key_id not in (keys := _keys().by_id):
        raise TokenInvalidError("Its key is unknown.")
    return _encoded(payload, key_id, keys[key_id])


def _encoded(payload: dict[str, Any], key_id: str, key: jwt.PyJWK) -> str:
    return jwt.encode(payload, key, algorithm=ALGORITHM, headers={"kid": key_id})


def _claims_of(payload: dict[str, Any], *, key_id: str, expected_type: TokenType) -> TokenClaims:
    return TokenClaims(
        subject=_uuid(payload["sub"]),
        session_id=_uuid(payload["sid"]),
        token_id=_uuid(payload["jti"]),
        token_type=expected_type,
        version=_whole(payload["ver"]),
        role=_role(payload, expected_type=expected_type),
        issued_at=_moment(payload["iat"]),
        expires_at=_moment(payload["exp"]),
        key_id=key_id,
    )


def _uuid(value: Any) -> UUID:
    try:
        result = UUID(value)
    except (AttributeError, TypeError, ValueError):
        raise TokenInvalidError("One of its ids is not a UUID.") from None
    if str(result) != value:
        raise TokenInvalidError("One of its ids is not spelled as we spell it.")
    return result


def _whole(value: Any) -> int:
    # A bool is an int to Python.
    if type(value) is not int or value < 0:
        raise TokenInvalidError("One of its numbers is not a whole number.")
    return value


def _moment(value: Any) -> datetime:
    try:
        return datetime.fromtimestamp(_whole(value), UTC)
    except (OverflowError, ValueError, OSError):
        raise TokenInvalidError("One of its times is beyond the calendar.") from None


def _role(payload: dict[str, Any], *, expected_type: TokenType) -> str | None:
    role = payload.get("role")
    if not isinstance(role, str if expected_type == "access" else type(None)):
        raise TokenInvalidError("Its role does not go with its type.")
    return role
