import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import jwt
import pytest
from freezegun import freeze_time
from freezegun.api import FrozenDateTimeFactory
from hypothesis import HealthCheck, given, settings as settings_of_hypothesis, strategies as st
from pytest_django import Settings
from uuid6 import uuid7

from infrastructure.tokens import (
    MfaClaims,
    TokenClaims,
    TokenError,
    TokenExpiredError,
    TokenInvalidError,
    TokenPair,
    TokenService,
    TokenType,
)

SECRET = "s" * 32
NOW = datetime(2030, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
SECOND = NOW.replace(microsecond=0)
USER, SESSION = UUID("01890000-0000-7000-8000-000000000001"), UUID("01890000-0000-7000-8000-000000000002")
CHALLENGE = UUID("01890000-0000-7000-8000-000000000003")
MFA_CLAIMS = MfaClaims(subject=USER, challenge_id=CHALLENGE, issued_at=SECOND, expires_at=SECOND + timedelta(minutes=5))


@pytest.fixture(autouse=True)
def _keys(settings: Settings) -> None:
    settings.JWT_KEYS = [{"kid": "one", "secret": SECRET, "sign": True}]
    settings.JWT_ISSUER = "layerline"
    settings.JWT_AUDIENCE = "layerline-api"
    settings.ACCESS_TOKEN_LIFETIME = timedelta(minutes=15)
    settings.REFRESH_TOKEN_LIFETIME = timedelta(days=7)


@pytest.fixture(scope="module")
def _frozen() -> Iterator[FrozenDateTimeFactory]:
    # Once for all tests: freezing looks through every module there is.
    with freeze_time(NOW, ignore=["_pytest.timing"]) as frozen:
        yield frozen  # type: ignore[misc]  # freeze_time promises any of its clocks


@pytest.fixture(autouse=True)
def clock(_frozen: FrozenDateTimeFactory) -> FrozenDateTimeFactory:
    _frozen.move_to(NOW)
    return _frozen


def make_pair(*, refresh_expires_at: datetime | None = None) -> TokenPair:
    return TokenService.generate_pair(
        user_id=USER, role="user", version=3, session_id=SESSION, refresh_expires_at=refresh_expires_at
    )


def claims(**changes: Any) -> dict[str, Any]:
    genuine = {
        "iss": "layerline",
        "aud": "layerline-api",
        "sub": str(USER),
        "sid": str(SESSION),
        "role": "user",
        "type": "access",
        "ver": 3,
        "iat": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 900,
        "jti": str(uuid7()),
    }
    return {name: value for name, value in (genuine | changes).items() if value is not ...}


def encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def forge(payload: object, header: object = None, *, secret: str = SECRET, digest: str = "sha256") -> str:
    """Sign anything at all, as somebody could who knows the secret or hopes that nobody looks."""
    header = {"alg": "HS256", "kid": "one", "typ": "JWT"} if header is None else header
    signed = f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(payload).encode())}"
    return f"{signed}.{encoded(hmac.digest(secret.encode(), signed.encode(), digest))}"


def mfa_claims(**changes: Any) -> dict[str, Any]:
    genuine = claims(type="mfa", jti=str(CHALLENGE), sid=..., role=..., ver=...)
    return {name: value for name, value in (genuine | changes).items() if value is not ...}


def refused(token: str, expected_type: TokenType = "access") -> bool:
    with pytest.raises(TokenInvalidError):
        TokenService.decode(token, expected_type=expected_type)
    return True


def test_an_access_token_says_whose_it_is_and_for_how_long() -> None:
    read = TokenService.decode(make_pair().access, expected_type="access")

    assert read == TokenClaims(
        subject=USER,
        session_id=SESSION,
        token_id=read.token_id,
        token_type="access",
        version=3,
        role="user",
        issued_at=SECOND,
        expires_at=SECOND + timedelta(minutes=15),
        key_id="one",
    )
    assert read.token_id.version == 7


def test_a_refresh_token_says_what_its_row_is_to_hold() -> None:
    pair = make_pair()

    assert TokenService.decode(pair.refresh, expected_type="refresh") == pair.refresh_claims
    assert pair.refresh_claims == TokenClaims(
        subject=USER,
        session_id=SESSION,
        token_id=pair.refresh_claims.token_id,
        token_type="refresh",
        version=3,
        role=None,
        issued_at=SECOND,
        expires_at=SECOND + timedelta(days=7),
        key_id="one",
    )
    assert pair.expires_in == 900


def test_the_claims_on_the_wire_are_exactly_those_promised() -> None:
    pair = make_pair()

    assert jwt.get_unverified_header(pair.access) == {"alg": "HS256", "kid": "one", "typ": "JWT"}
    payload = jwt.decode(pair.access, SECRET, algorithms=["HS256"], audience="layerline-api")
    assert set(payload) == {"iss", "aud", "sub", "sid", "role", "type", "ver", "iat", "exp", "jti"}
    payload = jwt.decode(pair.refresh, SECRET, algorithms=["HS256"], audience="layerline-api")
    assert set(payload) == {"iss", "aud", "sub", "sid", "type", "ver", "iat", "exp", "jti"}


def test_the_token_of_a_login_that_lacks_a_code_says_whose_it_is_and_until_when(clock: FrozenDateTimeFactory) -> None:
    token = TokenService.mfa(claims=MFA_CLAIMS)

    assert jwt.get_unverified_header(token) == {"alg": "HS256", "kid": "one", "typ": "JWT"}
    assert jwt.decode(token, SECRET, algorithms=["HS256"], audience="layerline-api") == {
        "iss": "layerline",
        "aud": "layerline-api",
        "sub": str(USER),
        "type": "mfa",
        "iat": int(SECOND.timestamp()),
        "exp": int(SECOND.timestamp()) + 300,
        "jti": str(CHALLENGE),
    }
    clock.move_to(SECOND + timedelta(minutes=5) - timedelta(microseconds=1))
    assert TokenService.decode_mfa(token) == MFA_CLAIMS
    clock.move_to(SECOND + timedelta(minutes=5))
    with pytest.raises(TokenExpiredError):
        TokenService.decode_mfa(token)


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "type", "iat", "exp", "jti"])
@pytest.mark.parametrize("value", [..., None, "", 0.5, True, [], {}, -1, "x", "access", "refresh"])
def test_every_claim_of_it_is_required_and_of_its_type(claim: str, value: object) -> None:
    assert TokenService.decode_mfa(forge(mfa_claims())).subject == USER
    with pytest.raises(TokenInvalidError):
        TokenService.decode_mfa(forge(mfa_claims(**{claim: value})))


def test_no_two_tokens_have_the_same_id() -> None:
    pairs = [make_pair() for _ in range(50)]
    access = {TokenService.decode(pair.access, expected_type="access").token_id for pair in pairs}

    assert len(access | {pair.refresh_claims.token_id for pair in pairs}) == 100


def test_a_refresh_token_does_not_outlive_its_session() -> None:
    ending = SECOND + timedelta(days=2, microseconds=999_999)

    assert make_pair(refresh_expires_at=ending).refresh_claims.expires_at == SECOND + timedelta(days=2)
    assert make_pair(refresh_expires_at=SECOND + timedelta(days=30)).refresh_claims.expires_at == SECOND + timedelta(
        days=7
    )


def test_a_stored_refresh_token_is_signed_again_byte_for_byte(clock: FrozenDateTimeFactory) -> None:
    pair = make_pair()
    stored = replace(pair.refresh_claims, token_id=UUID(str(pair.refresh_claims.token_id)))
    clock.tick(3600)

    assert TokenService.refresh(claims=stored) == pair.refresh


def test_a_stored_refresh_token_is_signed_again_with_the_key_that_signed_it(settings: Settings) -> None:
    pair = make_pair()
    settings.JWT_KEYS = [
        {"kid": "two", "secret": "t" * 32, "sign": True},
        {"kid": "one", "secret": SECRET, "sign": False},
    ]

    assert TokenService.refresh(claims=pair.refresh_claims) == pair.refresh


def test_a_stored_refresh_token_of_a_removed_key_cannot_be_signed_again(settings: Settings) -> None:
    pair = make_pair()
    settings.JWT_KEYS = [{"kid": "two", "secret": SECRET, "sign": True}]

    with pytest.raises(TokenInvalidError):
        TokenService.refresh(claims=pair.refresh_claims)


def test_keys_rotate_without_logging_anyone_out(settings: Settings) -> None:
    old = make_pair().access
    retired = {"kid": "one", "secret": SECRET, "sign": False}
    settings.JWT_KEYS = [retired, {"kid": "two", "secret": "t" * 32, "sign": True}]

    new = make_pair().access

    assert TokenService.decode(old, expected_type="access").key_id == "one"
    assert TokenService.decode(new, expected_type="access").key_id == "two"
    settings.JWT_KEYS = [{"kid": "two", "secret": "t" * 32, "sign": True}]
    assert refused(old)


def test_a_token_expires_at_its_second_without_grace(clock: FrozenDateTimeFactory) -> None:
    token = make_pair().access
    clock.move_to(SECOND + timedelta(minutes=15) - timedelta(microseconds=1))
    assert TokenService.decode(token, expected_type="access").subject == USER

    clock.move_to(SECOND + timedelta(minutes=15))
    with pytest.raises(TokenExpiredError):
        TokenService.decode(token, expected_type="access")


@pytest.mark.parametrize(
    "token",
    [
        forge(claims(exp=1), secret="x" * 32),
        forge(claims(exp=1, type="refresh", role=...)),
        forge(claims(exp=1, iss="other")),
        forge(claims(exp=1, sub="nobody")),
    ],
    ids=["signature", "type", "issuer", "subject"],
)
def test_a_token_that_is_wrong_in_another_way_too_is_not_called_expired(token: str) -> None:
    assert refused(token)


def test_both_errors_are_token_errors() -> None:
    assert issubclass(TokenExpiredError, TokenError)
    assert issubclass(TokenInvalidError, TokenError)
    assert not issubclass(TokenExpiredError, TokenInvalidError)


def test_a_genuine_token_made_elsewhere_is_accepted() -> None:
    assert TokenService.decode(forge(claims()), expected_type="access").version == 3
    # RFC 7519, section 4: what is signed and not understood is ignored, so that a newer release may add a claim.
    assert TokenService.decode(forge(claims(amr=["otp"])), expected_type="access").version == 3


@pytest.mark.parametrize(("given", "expected"), [("access", "refresh"), ("refresh", "access")])
def test_one_type_is_not_taken_for_the_other(
    given: Literal["access", "refresh"], expected: Literal["access", "refresh"]
) -> None:
    assert refused(getattr(make_pair(), given), expected)


def test_the_token_of_a_login_that_lacks_a_code_opens_nothing_and_no_other_completes_it() -> None:
    # With the claims of the others too, so that the type alone decides.
    for kind in ("access", "refresh"):
        assert refused(TokenService.mfa(claims=MFA_CLAIMS), kind)
        assert refused(forge(claims(type="mfa")), kind)
    for token in (make_pair().access, make_pair().refresh):
        with pytest.raises(TokenInvalidError):
            TokenService.decode_mfa(token)


@pytest.mark.parametrize(
    "alg", ["none", "None", "NONE", "nOnE", "", None, "hs256", "HS384", "HS512", "RS256", ["HS256"]]
)
def test_no_other_algorithm_is_accepted(alg: object) -> None:
    header = {"alg": alg, "kid": "one", "typ": "JWT"}
    digest = {"HS384": "sha384", "HS512": "sha512"}.get(str(alg), "sha256")
    token = forge(claims(), header, digest=digest)

    assert refused(token)
    assert refused(token.rpartition(".")[0] + ".")
    assert refused(token.rpartition(".")[0])


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "HS256", "typ": "JWT"},
        {"alg": "HS256", "kid": "two", "typ": "JWT"},
        {"alg": "HS256", "kid": None, "typ": "JWT"},
        {"alg": "HS256", "kid": 1, "typ": "JWT"},
        {"alg": "HS256", "kid": ["one"], "typ": "JWT"},
        {"alg": "HS256", "kid": {}, "typ": "JWT"},
        {"alg": "HS256", "kid": "one"},
        {"alg": "HS256", "kid": "one", "typ": "at+jwt"},
        {"alg": "HS256", "kid": "one", "typ": "jwt"},
        {"kid": "one", "typ": "JWT"},
        *(
            {"alg": "HS256", "kid": "one", "typ": "JWT", name: value}
            for name, value in {
                "crit": ["exp"],
                "b64": True,
                "jku": "https://evil.example/keys",
                "jwk": {"kty": "oct", "k": "eHh4"},
                "x5u": "https://evil.example/cert",
                "x5c": [],
                "cty": "JWT",
                "zip": "DEF",
                "anything": 1,
            }.items()
        ),
        [],
        "header",
        None,
        1,
    ],
)
def test_a_header_that_is_not_ours_is_refused(header: object) -> None:
    signed = f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(claims()).encode())}"
    token = f"{signed}.{encoded(hmac.digest(SECRET.encode(), signed.encode(), 'sha256'))}"

    assert refused(token)


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "sid", "role", "type", "ver", "iat", "exp", "jti"])
@pytest.mark.parametrize("value", [..., None, "", " ", 0.5, True, [], ["layerline-api"], {}, -1, "x"])
def test_every_claim_is_required_and_of_its_type(claim: str, value: object) -> None:
    if claim == "role" and isinstance(value, str):
        assert TokenService.decode(forge(claims(role=value)), expected_type="access").role == value
    else:
        assert refused(forge(claims(**{claim: value})))


@pytest.mark.parametrize("claim", ["iat", "exp", "ver"])
@pytest.mark.parametrize("value", ["1893553445", 1893553445.0, True, -1])
def test_a_number_is_a_whole_number_and_nothing_like_it(claim: str, value: object) -> None:
    assert refused(forge(claims(**{claim: value})))


@pytest.mark.parametrize("exp", [10**18, 10**400, 253_402_300_800])
def test_a_time_beyond_the_calendar_is_refused(exp: int) -> None:
    assert refused(forge(claims(exp=exp)))


@pytest.mark.parametrize("claim", ["sub", "sid", "jti"])
@pytest.mark.parametrize(
    "spelling",
    [
        str(USER).upper().replace("0", "A", 1),
        USER.hex,
        f"{{{USER}}}",
        f"urn:uuid:{USER}",
        f" {USER}",
        f"{USER}\n",
        str(USER).replace("0", "\u0660", 1),
    ],
)
def test_an_id_has_one_spelling(claim: str, spelling: str) -> None:
    assert refused(forge(claims(**{claim: spelling})))


def test_a_refresh_token_carries_no_role() -> None:
    assert refused(forge(claims(type="refresh")), "refresh")


@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_a_token_of_the_future_is_refused_beyond_the_leeway(claim: str) -> None:
    soon = int(NOW.timestamp()) + 5

    assert TokenService.decode(forge(claims(**{claim: soon})), expected_type="access").subject == USER
    assert refused(forge(claims(**{claim: soon + 1})))


def test_a_change_of_any_character_is_noticed() -> None:
    token = make_pair().access

    for place, character in enumerate(token):
        assert refused(token[:place] + ("A" if character != "A" else "B") + token[place + 1 :])


def test_the_unused_bits_of_the_last_character_are_not_free() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    token = make_pair().access
    accepted = []
    for character in alphabet:
        candidate = token[:-1] + character
        same_bytes = urlsafe_b64decode(candidate.rpartition(".")[2] + "=") == urlsafe_b64decode(
            token.rpartition(".")[2] + "="
        )
        if same_bytes and candidate != token:
            assert refused(candidate)
            accepted.append(character)

    assert len(accepted) == 3


@pytest.mark.parametrize(
    "spelling",
    ["{}=", "{}==", " {}", "{} ", "{}\n", "\t{}", "{}.", ".{}", "{}.x", "{}\x00", "{}\u00e4", "Bearer {}", "{}A"],
)
def test_a_token_has_one_spelling(spelling: str) -> None:
    assert refused(spelling.format(make_pair().access))


def test_standard_base64_is_another_spelling() -> None:
    token = next(t for t in (make_pair().access for _ in range(200)) if "-" in t or "_" in t)

    assert refused(token.replace("-", "+").replace("_", "/"))


@pytest.mark.parametrize(
    "token", ["", ".", "..", "...", "a.b.c", "a.b", "x" * 5000, "\ud800.a.b", "é.é.é", "e30.e30.e30"]
)
def test_what_is_no_token_is_refused(token: str) -> None:
    assert refused(token)


@pytest.mark.parametrize("payload", [[], "text", 1, None, {}, [["deep"]]])
def test_a_payload_that_is_no_object_of_claims_is_refused(payload: object) -> None:
    assert refused(forge(payload))


def test_a_payload_that_is_no_json_is_refused() -> None:
    header = encoded(b'{"alg":"HS256","kid":"one","typ":"JWT"}')
    for data in (b"", b"\xff\xfe", b"{", b'{"exp":NaN', b"[" * 2000):
        signed = f"{header}.{encoded(data)}"
        assert refused(f"{signed}.{encoded(hmac.digest(SECRET.encode(), signed.encode(), 'sha256'))}")


def test_a_token_over_four_kibibytes_is_refused_however_genuine() -> None:
    assert TokenService.decode(forge(claims(filling="x" * 2_000)), expected_type="access").subject == USER
    assert refused(forge(claims(filling="x" * 3_000)))


@pytest.mark.parametrize("secret", ["x" * 32, "", SECRET[:-1], SECRET + "s"])
def test_a_foreign_key_signs_nothing(secret: str) -> None:
    assert refused(forge(claims(), secret=secret))


def test_a_token_of_another_issuer_or_audience_is_refused(settings: Settings) -> None:
    token = make_pair().access
    settings.JWT_ISSUER = "elsewhere"
    assert refused(token)
    settings.JWT_ISSUER = "layerline"
    settings.JWT_AUDIENCE = "layerline"
    assert refused(token)


_VALUES: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just([]) | st.just({})
)


@settings_of_hypothesis(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.dictionaries(st.sampled_from([*claims(), "nbf", "more"]), _VALUES, max_size=2),
    header=st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64"]), _VALUES, max_size=1),
    place=st.integers(0, 600),
    letter=st.sampled_from(["", "A", "-", "_", "=", ".", "\n"]),
)
def test_what_pyjwt_refuses_is_refused(
    changes: dict[str, Any], header: dict[str, Any], place: int, letter: str
) -> None:
    genuine = forge(claims(**changes), {"alg": "HS256", "kid": "one", "typ": "JWT"} | header)
    for token in (genuine, genuine[:place] + letter + genuine[place + 1 :]):
        with suppress(TokenError):
            read = TokenService.decode(token, expected_type="access")
            known = jwt.decode(
                token,
                SECRET,
                algorithms=["HS256"],
                audience="layerline-api",
                issuer="layerline",
                leeway=5,
                options={"require": list(claims()), "strict_aud": True},
            )
            assert known["sub"] == str(read.subject)
