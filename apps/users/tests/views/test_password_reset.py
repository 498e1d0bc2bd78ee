import pytest
from django.core import mail
from pytest_django import Settings
from rest_framework.test import APIClient

from apps.common.enums import Role
from apps.users.enums import LinkPurpose
from apps.users.models import Session
from apps.users.tests.factories import PASSWORD, UserFactory
from apps.users.tests.support import SignIn, link_token, mailed_token, problem, row, run_jobs, wrong_fields

pytestmark = pytest.mark.django_db

URL = "/api/v1/auth/password/reset/"
CONFIRM = "/api/v1/auth/password/reset/confirm/"
LOGIN = "/api/v1/auth/login/"
NEW = "nine hundred lanterns"


def test_a_forgotten_password_is_replaced_by_way_of_a_mail(api: APIClient) -> None:
    user = UserFactory.create(email="ada@example.com")

    asked = api.post(URL, {"email": "Ada@Example.COM"})
    confirmed = api.post(CONFIRM, {"token": mailed_token("ada@example.com"), "new": NEW})

    assert (asked.status_code, asked.json()) == (202, {})
    assert (confirmed.status_code, confirmed.content) == (204, b"")
    # It signs nobody in.
    assert not Session.objects.exists()
    assert api.post(LOGIN, {"email": user.email, "password": PASSWORD}).status_code == 401
    assert api.post(LOGIN, {"email": user.email, "password": NEW}).status_code == 200


def test_known_unknown_and_inactive_are_alike_in_status_headers_and_body(api: APIClient) -> None:
    UserFactory.create(email="ada@example.com")
    UserFactory.create(email="bob@example.com", is_active=False)

    answers = [
        api.post(URL, {"email": email}, headers={"X-Request-ID": "same"})
        for email in ("ada@example.com", "nobody@example.com", "bob@example.com")
    ]

    assert {answer.status_code for answer in answers} == {202}
    assert {answer.content for answer in answers} == {b"{}"}
    # How much of the address's limit is left depends on the number of tries, not on their kind.
    told = [{name: text for name, text in answer.headers.items() if name != "RateLimit"} for answer in answers]
    assert told[0] == told[1] == told[2]
    run_jobs()
    assert [message.to for message in mail.outbox] == [["ada@example.com"]]


def test_every_session_is_over_afterwards(api: APIClient, auth_api: SignIn) -> None:
    client = auth_api(Role.USER)

    api.post(CONFIRM, {"token": link_token(client.user.pk, LinkPurpose.RESET_PASSWORD), "new": NEW})

    assert problem(client.get("/api/v1/auth/me/")) == (401, "session_revoked")


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"token": "x"}, {"token": "invalid"}),
        ({"token": "A" * 86}, {"token": "invalid"}),
        ({"token": ""}, {"token": "blank"}),
        ({"token": 7}, {"token": "invalid"}),
        ({"token": "A" * 5_000}, {"token": "max_length"}),
        ({"new": "short-1"}, {"new": "password_too_short"}),
        ({"new": "password123"}, {"new": "password_too_common"}),
        ({"new": None}, {"new": "null"}),
        ({"email": "ada@example.com"}, {"email": "unknown"}),
    ],
)
def test_a_wrong_field_is_named_and_nothing_changes(
    api: APIClient, changes: dict[str, object], fields: dict[str, str]
) -> None:
    user = UserFactory.create()
    token = link_token(user.pk, LinkPurpose.RESET_PASSWORD)
    before = row(user.pk)

    assert wrong_fields(api.post(CONFIRM, {"token": token, "new": NEW} | changes)) == fields

    assert row(user.pk) == before


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"email": "required"}),
        ({"email": "no address"}, {"email": "invalid"}),
        ({"email": ["ada@example.com"]}, {"email": "invalid"}),
        ({"email": "ada@example.com\nBcc: eve@example.com"}, {"email": "invalid"}),
        ({"email": f"{'a' * 250}@example.com"}, {"email": "max_length"}),
    ],
)
def test_what_is_no_address_is_told(api: APIClient, body: dict[str, object], fields: dict[str, str]) -> None:
    assert wrong_fields(api.post(URL, body)) == fields


def test_asking_is_limited_for_each_account_and_for_each_address(api: APIClient, settings: Settings) -> None:
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"reset": (2, 60), "reset_address": (4, 60)}

    ada = [api.post(URL, {"email": "ada@example.com"}).status_code for _ in range(3)]
    others = [api.post(URL, {"email": f"user{number}@example.com"}).status_code for number in range(3)]

    assert (ada, others) == ([202, 202, 429], [202, 202, 429])
    assert api.post(URL, {"email": "ada@example.com"}, REMOTE_ADDR="203.0.113.9").status_code == 202


def test_trying_tokens_is_limited_for_each_address(api: APIClient, settings: Settings) -> None:
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"reset_address": (2, 60)}

    assert [api.post(CONFIRM, {"token": "x", "new": NEW}).status_code for _ in range(3)] == [400, 400, 429]


def test_a_bad_access_token_does_not_stand_in_the_way(api: APIClient) -> None:
    api.credentials(HTTP_AUTHORIZATION="Bearer rubbish")

    assert api.post(URL, {"email": "ada@example.com"}).status_code == 202
