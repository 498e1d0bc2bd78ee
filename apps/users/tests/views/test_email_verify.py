import pytest
from django.core import mail
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from apps.common.enums import Role
from apps.users.enums import LinkPurpose
from apps.users.tests.factories import PASSWORD, UserFactory
from apps.users.tests.support import SignIn, link_token, mailed_token, problem, row, run_jobs, wrong_fields

pytestmark = pytest.mark.django_db

URL = "/api/v1/auth/email/verify/"
RESEND = "/api/v1/auth/email/verify/resend/"
ME = "/api/v1/auth/me/"


def test_a_new_account_is_confirmed_by_the_link_of_its_welcome_mail(api: APIClient, auth_api: SignIn) -> None:
    api.post("/api/v1/auth/register/", {"email": "ada@example.com", "name": "Ada", "password": PASSWORD})

    response = api.post(URL, {"token": mailed_token("ada@example.com")})

    assert (response.status_code, response.content) == (204, b"")
    login = api.post("/api/v1/auth/login/", {"email": "ada@example.com", "password": PASSWORD}).json()
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {login['access']}")
    assert api.get(ME).json()["email_verified"] is True


def test_a_changed_address_is_confirmed_here_too(api: APIClient) -> None:
    user = UserFactory.create(pending_email="ada.king@example.com")

    response = api.post(URL, {"token": link_token(user.pk, LinkPurpose.CHANGE_EMAIL)})

    user.refresh_from_db()
    assert (response.status_code, user.email) == (204, "ada.king@example.com")


def test_one_that_is_taken_by_now_is_a_conflict(api: APIClient) -> None:
    user = UserFactory.create(pending_email="ada.king@example.com")
    UserFactory.create(email="ada.king@example.com")
    before = row(user.pk)

    response = api.post(URL, {"token": link_token(user.pk, LinkPurpose.CHANGE_EMAIL)})

    assert problem(response) == (409, "conflict")
    assert row(user.pk) == before


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "required"),
        ({"token": "x"}, "invalid"),
        ({"token": "A" * 86}, "invalid"),
        ({"token": "A" * 5_000}, "max_length"),
        ({"token": 7}, "invalid"),
        ({"token": None}, "null"),
    ],
)
def test_what_is_no_token_of_ours_is_told(api: APIClient, body: dict[str, object], code: str) -> None:
    assert wrong_fields(api.post(URL, body)) == {"token": code}


def test_trying_tokens_is_limited_for_each_address(api: APIClient, settings: Settings) -> None:
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"verify_address": (2, 60)}

    assert [api.post(URL, {"token": "x"}).status_code for _ in range(3)] == [400, 400, 429]


def test_asking_for_another_link_is_answered_alike_for_a_confirmed_address(auth_api: SignIn) -> None:
    fresh, confirmed = auth_api(Role.USER), auth_api(UserFactory.create(email_verified_at=timezone.now()))

    answers = [
        client.post(RESEND, headers={"X-Request-ID": "same"}, REMOTE_ADDR=f"203.0.113.{number}")
        for number, client in enumerate((fresh, confirmed))
    ]

    assert [(answer.status_code, answer.content) for answer in answers] == [(202, b"{}")] * 2
    assert dict(answers[0].headers) == dict(answers[1].headers)
    run_jobs()
    assert [message.to for message in mail.outbox] == [[fresh.user.email]]


def test_how_often_another_link_is_mailed_is_limited(auth_api: SignIn, settings: Settings) -> None:
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"verify": (2, 60)}
    client = auth_api(Role.USER)

    assert [client.post(RESEND).status_code for _ in range(3)] == [202, 202, 429]
