from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import jwt
import pytest
from django.conf import settings
from freezegun import freeze_time
from rest_framework.test import APIClient

from apps.common.enums import Role
from apps.users.authentication import UsersDoor
from apps.users.exceptions import SessionRevokedError, TokenExpiredError, TokenInvalidError
from apps.users.services import UserService
from apps.users.tests.authenticator import with_authenticator
from apps.users.tests.factories import PASSWORD, UserFactory
from apps.users.tests.support import Client, SignIn, problem, signed_in
from apps.users.types import Challenge
from infrastructure.ratelimit import Limit

pytestmark = pytest.mark.django_db

ME = "/api/v1/auth/me/"


@pytest.fixture
def client(auth_api: SignIn) -> Client:
    """A signed-in user whose token the tests take apart."""
    return auth_api(Role.USER)


def _ask(header: str) -> Any:
    return APIClient().get(ME, headers={"Authorization": header})


def _refusal(header: str) -> str:
    """Return the code of a 401, which must tell how to authenticate."""
    response = _ask(header)
    status, code = problem(response)
    assert (status, response.headers["WWW-Authenticate"]) == (401, "Bearer")
    return code


def _signed(client: Client, *, without: str = "", **changes: Any) -> str:
    """Return the client's access token with other claims, signed with the project's own key."""
    claims = jwt.decode(client.access, options={"verify_signature": False}) | changes
    claims.pop(without, None)
    key = settings.JWT_KEYS[0]
    return jwt.encode(claims, key["secret"], algorithm="HS256", headers={"kid": key["kid"]})


def test_what_the_tests_sign_is_taken_as_long_as_nothing_is_changed(client: Client) -> None:
    assert _ask(f"Bearer {_signed(client)}").status_code == 200


def test_a_missing_token_is_401_and_tells_how_to_authenticate(api: APIClient) -> None:
    response = api.get(ME)

    assert problem(response) == (401, "authentication_failed")
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("path", [ME, "/api/v1/users/", "/api/v1/users/0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a10/"])
def test_no_page_answers_403_to_someone_without_a_token(api: APIClient, path: str) -> None:
    assert problem(api.get(path)) == (401, "authentication_failed")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
def test_the_scheme_is_known_in_any_case(client: Client, scheme: str) -> None:
    assert _ask(f"{scheme} {client.access}").status_code == 200


@pytest.mark.parametrize("header", ["", "Basic YWRhOnNlY3JldA==", "Token abc"])
def test_other_schemes_are_no_credentials(header: str) -> None:
    assert _refusal(header) == "authentication_failed"


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer a b", "Bearer\ta.b.c", "Bearera.b.c", "Bearer é.é.é"])
def test_a_header_that_is_no_bearer_token_is_named(header: str) -> None:
    assert _refusal(header) == "token_invalid"


def test_a_refresh_token_is_no_access_token_nor_is_that_of_a_login_which_lacks_a_code(client: Client) -> None:
    with_authenticator(client.user)
    challenge = UserService.login(email=client.user.email, password=PASSWORD)

    assert isinstance(challenge, Challenge)
    assert _refusal(f"Bearer {challenge.mfa_token}") == "token_invalid"
    assert _refusal(f"Bearer {client.refresh}") == "token_invalid"


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "sid", "role", "type", "ver", "iat", "exp", "jti"])
def test_a_token_that_lacks_a_claim_is_refused(client: Client, claim: str) -> None:
    assert _refusal(f"Bearer {_signed(client, without=claim)}") == "token_invalid"


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "refresh"},
        {"type": "mfa"},
        {"type": "unknown"},
        {"type": None},
        {"type": ["access"]},
        {"iss": "someone-else"},
        {"aud": "another-api"},
        {"aud": ["layerline-api"]},
        {"exp": None},
        {"exp": "never"},
        {"exp": 10**20},
        {"iat": 4_000_000_000},
        {"sub": "1"},
        {"sid": 1},
        {"ver": "1"},
        {"ver": True},
        {"role": 1},
    ],
)
def test_a_claim_of_another_value_is_refused(client: Client, changes: dict[str, Any]) -> None:
    assert _refusal(f"Bearer {_signed(client, **changes)}") == "token_invalid"


def test_the_role_in_the_token_gives_no_right(client: Client) -> None:
    token = _signed(client, role="admin")

    response = APIClient().get("/api/v1/users/", headers={"Authorization": f"Bearer {token}"})

    assert problem(response) == (403, "forbidden")


def test_anothers_id_in_the_token_opens_nothing_without_that_ones_session(client: Client) -> None:
    assert _refusal(f"Bearer {_signed(client, sub=str(UserFactory.create().pk))}") == "session_revoked"


@pytest.mark.parametrize("version", [0, 2])
def test_another_version_than_the_accounts_is_revoked(client: Client, version: int) -> None:
    assert _refusal(f"Bearer {_signed(client, ver=version)}") == "session_revoked"


@pytest.mark.parametrize("suffix", ["=", "==", ".", "A", "%3D"])
def test_a_token_with_something_behind_it_is_another_token(client: Client, suffix: str) -> None:
    assert _refusal(f"Bearer {client.access}{suffix}") == "token_invalid"


@pytest.mark.parametrize("algorithm", ["".join(letters) for letters in product("nN", "oO", "nN", "eE")] + [""])
def test_no_token_is_taken_without_a_signature_however_none_is_spelled(client: Client, algorithm: str) -> None:
    _, payload, signature = client.access.split(".")
    foreign = jwt.utils.base64url_encode(f'{{"alg":"{algorithm}","kid":"test","typ":"JWT"}}'.encode()).decode()

    for end in ("", ".", ".AA", f".{signature}"):
        assert _refusal(f"Bearer {foreign}.{payload}{end}") == "token_invalid"


@pytest.mark.filterwarnings("ignore:The HMAC key is:jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_no_other_algorithm_is_taken_even_with_our_key(client: Client, algorithm: str) -> None:
    claims = jwt.decode(client.access, options={"verify_signature": False})
    token = jwt.encode(claims, settings.JWT_KEYS[0]["secret"], algorithm=algorithm, headers={"kid": "test"})

    assert _refusal(f"Bearer {token}") == "token_invalid"


def test_a_key_that_the_token_brings_along_signs_nothing(client: Client) -> None:
    claims = jwt.decode(client.access, options={"verify_signature": False})
    for extra in ({"jwk": {"kty": "oct", "k": "Zm9yZ2Vk"}}, {"jku": "https://evil.example/keys"}, {"kid": "../../etc"}):
        token = jwt.encode(claims, "f" * 64, algorithm="HS256", headers={"kid": "test"} | extra)
        assert _refusal(f"Bearer {token}") == "token_invalid"


def test_a_foreign_key_signs_nothing(client: Client) -> None:
    claims = jwt.decode(client.access, options={"verify_signature": False})
    token = jwt.encode(claims, "f" * 40, algorithm="HS256", headers={"kid": "test"})

    assert _refusal(f"Bearer {token}") == "token_invalid"


def test_an_expired_token_is_named(client: Client) -> None:
    user, moment = UserFactory.create(), datetime(2026, 3, 1, 12, tzinfo=UTC)
    with freeze_time(moment):
        pair = signed_in(user)
    with freeze_time(moment + timedelta(minutes=15)):
        assert _refusal(f"Bearer {pair.access}") == "token_expired"


DOOR = UsersDoor()


def _kinds(outcomes: Sequence[object]) -> list[type]:
    return [type(outcome) for outcome in outcomes]


def test_a_socket_is_signed_in_by_an_access_token_and_by_no_other(client: Client) -> None:
    assert DOOR.by_token(client.access).actor.id == client.user.pk
    for token in (client.refresh, "", "x", f"{client.access}="):
        with pytest.raises(TokenInvalidError):
            DOOR.by_token(token)


def test_a_socket_is_signed_in_by_a_ticket_once_and_until_its_token_ends(client: Client) -> None:
    ticket = client.post("/api/v1/auth/ticket/").json()["ticket"]

    assert DOOR.by_ticket(ticket) == DOOR.by_token(client.access)
    with pytest.raises(TokenInvalidError):
        DOOR.by_ticket(ticket)


def test_a_socket_is_signed_in_again_as_long_as_its_token_and_session_last(client: Client) -> None:
    signed_in = DOOR.by_token(client.access)
    assert DOOR.again([(signed_in, ())]) == [signed_in]
    assert DOOR.standing([signed_in]) == [replace(signed_in, verdict=None)]

    with freeze_time(signed_in.expires_at):
        assert _kinds(DOOR.again([(signed_in, ())])) == _kinds(DOOR.standing([signed_in])) == [TokenExpiredError]
    client.post("/api/v1/auth/logout-all/")
    assert _kinds(DOOR.again([(signed_in, ())])) == _kinds(DOOR.standing([signed_in])) == [SessionRevokedError]


def test_what_a_socket_asks_for_is_counted_on_the_way(client: Client) -> None:
    signed_in = DOOR.by_token(client.access)
    limits = [Limit("burst", str(client.user.pk), count=1, window=60)]

    outcomes: list[Any] = DOOR.again([(signed_in, limits), (signed_in, ()), (signed_in, limits)])

    assert [outcome.verdict.allowed for outcome in outcomes] == [True, True, False]
