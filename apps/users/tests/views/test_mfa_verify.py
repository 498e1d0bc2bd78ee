"""The second step of a login over HTTP."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.common.tests.races import at_once
from apps.users.models import MfaChallenge, Session, User
from apps.users.tests.authenticator import Authenticator, with_authenticator
from apps.users.tests.factories import PASSWORD, UserFactory
from apps.users.tests.support import problem, signed_in, wrong_fields

pytestmark = pytest.mark.django_db

URL = "/api/v1/auth/mfa/verify/"


@pytest.fixture
def user() -> User:
    return UserFactory.create(email="ada@example.com")


@pytest.fixture
def app(user: User) -> Authenticator:
    return with_authenticator(user)


def _login() -> str:
    response = APIClient().post("/api/v1/auth/login/", {"email": "ada@example.com", "password": PASSWORD})
    body = response.json()
    assert response.status_code == 200
    assert set(body) == {"mfa_required", "mfa_token", "expires_in"}
    assert (body["mfa_required"], body["expires_in"]) == (True, 300)
    assert response.headers["Cache-Control"] == "no-store"
    return str(body["mfa_token"])


@pytest.mark.parametrize("kind", ["app", "recovery"])
def test_a_code_gives_the_pair_of_a_session(api: APIClient, user: User, app: Authenticator, kind: str) -> None:
    token = _login()
    assert not Session.objects.exists()

    response = api.post(URL, {"mfa_token": token, "code": app.code() if kind == "app" else app.recovery_codes[0]})

    body = response.json()
    assert (response.status_code, set(body)) == (200, {"access", "refresh", "token_type", "expires_in"})
    assert response.headers["Cache-Control"] == "no-store"
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {body['access']}")
    assert api.get("/api/v1/auth/me/").json()["id"] == str(user.pk)
    api.credentials()
    assert api.post("/api/v1/auth/refresh/", {"refresh": body["refresh"]}).status_code == 200


def test_a_wrong_code_and_a_token_that_is_over_are_told_apart(api: APIClient, app: Authenticator) -> None:
    token, wrong = _login(), app.wrong_code()

    answers = [api.post(URL, {"mfa_token": token, "code": wrong}) for _ in range(6)]

    assert [problem(answer) for answer in answers] == [(401, "authentication_failed")] * 5 + [(401, "token_invalid")]
    assert {answer.headers["WWW-Authenticate"] for answer in answers} == {"Bearer"}
    assert not Session.objects.exists()


def test_no_other_token_completes_a_login_and_that_of_a_login_opens_nothing(
    api: APIClient, user: User, app: Authenticator
) -> None:
    token, credentials = _login(), signed_in(UserFactory.create())

    for other in (credentials.access, credentials.refresh, f"{token}=", token[:-1], "rubbish"):
        assert problem(api.post(URL, {"mfa_token": other, "code": app.code()})) == (401, "token_invalid")
    assert problem(api.post("/api/v1/auth/refresh/", {"refresh": token})) == (401, "token_invalid")
    assert api.post("/api/v1/auth/logout/", {"refresh": token}).status_code == 204
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    assert problem(api.get("/api/v1/auth/me/")) == (401, "token_invalid")
    assert MfaChallenge.objects.get().attempts == 0


def test_too_many_wrong_codes_of_an_account_tell_how_long_to_wait(
    api: APIClient, app: Authenticator, settings: Any
) -> None:
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"mfa_codes": (1, 3_600)}
    api.post(URL, {"mfa_token": _login(), "code": app.wrong_code()})

    response = api.post(URL, {"mfa_token": _login(), "code": app.code()})

    assert problem(response) == (429, "throttled")
    assert 3_590 <= int(response.headers["Retry-After"]) <= 3_600
    assert api.post(URL, {"mfa_token": _login(), "code": app.recovery_codes[0]}).status_code == 200


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"mfa_token": "required", "code": "required"}),
        ({"mfa_token": "", "code": ""}, {"mfa_token": "blank", "code": "blank"}),
        ({"mfa_token": 1, "code": 123456}, {"mfa_token": "invalid", "code": "invalid"}),
        ({"mfa_token": "x" * 4_097, "code": "1" * 65}, {"mfa_token": "max_length", "code": "max_length"}),
        ({"mfa_token": "x", "code": "1", "password": "y"}, {"password": "unknown"}),
    ],
)
def test_a_body_of_another_shape_is_refused(api: APIClient, body: dict[str, Any], fields: dict[str, str]) -> None:
    assert wrong_fields(api.post(URL, body)) == fields


@pytest.mark.django_db(transaction=True)
def test_of_fifty_parallel_requests_with_one_good_code_one_gets_a_pair(user: User, app: Authenticator) -> None:
    body = {"mfa_token": _login(), "code": app.code()}

    answers = at_once(50, lambda _: APIClient().post(URL, body))

    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 49
    assert Session.objects.count() == 1
