"""What counts against guessing: passwords with a stolen access token, codes with a stolen password."""

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from apps.common.enums import Role
from apps.users.tests.authenticator import with_authenticator
from apps.users.tests.factories import PASSWORD, UserFactory
from apps.users.tests.support import SignIn, problem

pytestmark = pytest.mark.django_db

VERIFY = "/api/v1/auth/mfa/verify/"


@pytest.mark.parametrize("action", ["setup", "confirm", "disable", "recovery"])
def test_a_stolen_access_token_guesses_no_password_faster_than_a_login(
    auth_api: SignIn, settings: Settings, action: str
) -> None:
    client, other = auth_api(Role.USER), auth_api(Role.USER)
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"password": (3, 60)}
    url, body = f"/api/v1/auth/mfa/{action}/", {"password": "a guess", "code": "123456"}
    if action != "confirm":
        body.pop("code")

    # From another address each time: it is the account that counts.
    answers = [client.post(url, body, REMOTE_ADDR=f"203.0.113.{number}") for number in range(4)]

    assert [answer.status_code for answer in answers] == [400] * 3 + [429]
    assert 1 <= int(answers[3].headers["Retry-After"]) <= 60
    assert problem(client.post(url, body | {"password": PASSWORD})) == (429, "throttled")
    assert other.post(url, body).status_code == 400


def test_passwords_of_all_these_requests_count_together(auth_api: SignIn, settings: Settings) -> None:
    client = auth_api(Role.USER)
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"password": (2, 60)}

    answers = [
        client.post(f"/api/v1/auth/mfa/{action}/", {"password": "a guess"})
        for action in ("setup", "disable", "recovery")
    ]

    assert [answer.status_code for answer in answers] == [400, 400, 429]
    assert client.get("/api/v1/auth/mfa/").status_code == 200


def test_tries_of_one_login_are_limited_from_all_addresses_together(api: APIClient, settings: Settings) -> None:
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"mfa": (3, 60)}
    user = UserFactory.create()
    app = with_authenticator(user)
    tokens = [
        api.post("/api/v1/auth/login/", {"email": user.email, "password": PASSWORD}).json()["mfa_token"]
        for _ in range(2)
    ]

    statuses = [
        api.post(
            VERIFY, {"mfa_token": tokens[0], "code": app.wrong_code()}, REMOTE_ADDR=f"203.0.113.{number}"
        ).status_code
        for number in range(4)
    ]

    assert statuses == [401] * 3 + [429]
    assert api.post(VERIFY, {"mfa_token": tokens[1], "code": app.code()}).status_code == 200


def test_one_address_gets_no_more_tries_over_all_logins(api: APIClient, settings: Settings) -> None:
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"mfa_address": (3, 60)}

    answers = [api.post(VERIFY, {"mfa_token": f"token {number}", "code": "123456"}) for number in range(4)]

    assert [answer.status_code for answer in answers] == [401] * 3 + [429]
    assert '"mfa_address";q=3;w=60' in answers[0].headers["RateLimit-Policy"]
    assert api.post(VERIFY, {"mfa_token": "x", "code": "1"}, REMOTE_ADDR="203.0.113.9").status_code == 401


@pytest.mark.parametrize("token", [None, 7, ["a"], {"a": 1}])
def test_a_body_without_a_token_counts_against_the_address(api: APIClient, settings: Settings, token: object) -> None:
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"mfa_address": (1, 60)}

    statuses = [api.post(VERIFY, {"mfa_token": token, "code": "1"}).status_code for _ in range(2)]

    assert statuses == [400, 429]
