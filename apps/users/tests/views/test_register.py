from typing import Any

import pytest
from django.core import mail
from pytest_django import Settings
from rest_framework.test import APIClient

from apps.common.tests.races import at_once
from apps.users.models import User
from apps.users.tests.factories import PASSWORD, UserFactory
from apps.users.tests.support import problem, run_jobs, wrong_fields
from infrastructure.queue.models import OutboxRow

URL = "/api/v1/auth/register/"
BODY = {"email": "ada@example.com", "name": "Ada Lovelace", "password": PASSWORD}


@pytest.mark.django_db
def test_the_answer_is_the_account_without_the_password(api: APIClient) -> None:
    response = api.post(URL, BODY | {"phone": "+442079460000"})

    user = User.objects.get()
    assert response.status_code == 201
    assert response.headers["Cache-Control"] == "no-store"
    assert response.json() == {
        "id": str(user.pk),
        "email": "ada@example.com",
        "name": "Ada Lovelace",
        "phone": "+442079460000",
        "role": "user",
        "email_verified": False,
        "avatar": None,
        "created_at": user.created_at.isoformat().replace("+00:00", "Z"),
    }


@pytest.mark.django_db
@pytest.mark.parametrize(
    "field",
    [
        {"role": "admin"},
        {"is_staff": True},
        {"is_superuser": True},
        {"is_active": False},
        {"id": "0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a10"},
        {"token_version": 7},
        {"groups": [1]},
        {"email_verified_at": "2026-01-01T00:00:00Z"},
    ],
)
def test_nobody_gives_himself_more_than_an_ordinary_account(api: APIClient, field: dict[str, Any]) -> None:
    response = api.post(URL, BODY | field)

    assert wrong_fields(response) == {next(iter(field)): "unknown"}
    assert not User.objects.exists()
    assert not OutboxRow.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("email", ["ada@example.com", "ADA@EXAMPLE.COM", "ａｄａ@example.com", "  ada@example.com"])
def test_a_taken_address_is_a_conflict_in_every_spelling(api: APIClient, email: str) -> None:
    UserFactory.create(email="ada@example.com")

    response = api.post(URL, BODY | {"email": email})

    assert problem(response) == (409, "conflict")
    assert User.objects.count() == 1
    assert not OutboxRow.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("email", "no-address", "invalid"),
        ("email", "ada@example.com\r\nBcc: eve@example.com", "invalid"),
        ("email", "ada\n@example.com", "invalid"),
        ("email", "ada@example.com\n", "invalid"),
        ("email", "a" * 250 + "@example.com", "max_length"),
        ("email", 7, "invalid"),
        ("email", None, "null"),
        ("email", "", "blank"),
        ("name", "Ada\r\nBcc: eve@example.com", "invalid"),
        ("name", "Ada\u2028Lovelace", "invalid"),
        ("name", "Ada\n", "invalid"),
        ("name", "Ada\x1b[31m", "invalid"),
        ("name", "", "blank"),
        ("name", "   ", "blank"),
        ("name", "x" * 151, "max_length"),
        ("name", " " + "x" * 150, "max_length"),
        ("name", True, "invalid"),
        ("name", ["Ada"], "invalid"),
        ("phone", "020 7946 0000", "invalid"),
        ("phone", "+0123456789", "invalid"),
        ("phone", "+１２３４５６７８９", "invalid"),
        ("phone", 442079460000, "invalid"),
        ("phone", "+1234567890123456", "max_length"),
        ("password", "x" * 1_025, "max_length"),
        ("password", 1234567890, "invalid"),
        ("password", "", "blank"),
        ("password", "password123", "password_too_common"),
        ("password", "ada@example.com", "password_too_similar"),
    ],
)
def test_a_wrong_value_is_named_by_its_field(api: APIClient, field: str, value: object, code: str) -> None:
    response = api.post(URL, BODY | {field: value})

    assert wrong_fields(response)[field] == code
    assert not User.objects.exists()
    assert not OutboxRow.objects.exists()


@pytest.mark.django_db
def test_every_missing_field_is_named(api: APIClient) -> None:
    assert wrong_fields(api.post(URL, {})) == {"email": "required", "name": "required", "password": "required"}


@pytest.mark.django_db
@pytest.mark.parametrize("body", ["[]", "null", '"text"', "7", "true", "[{}]"])
def test_a_body_that_is_no_object_is_refused(api: APIClient, body: str) -> None:
    response = api.post(URL, body, content_type="application/json")

    assert problem(response) == (400, "validation_error")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b'{"email": "\\ud800@example.com"}',
        b'{"name": "\\u0000"}',
        b'{"name": NaN}',
        b'{"name": ' + b"9" * 4_000 + b"}",
        b"[" * 1_000 + b"]" * 1_000,
        b'{"name": "a", "name": "b"}',
    ],
)
def test_broken_and_odd_json_is_told_apart_from_a_wrong_field(api: APIClient, body: bytes) -> None:
    response = api.post(URL, body, content_type="application/json")

    assert problem(response) == (400, "parse_error")
    assert not User.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("password", ["  padded with blanks  ", "🔑" * 16, "sixty four characters and more " * 4])
def test_a_password_counts_to_its_last_character(api: APIClient, password: str) -> None:
    assert api.post(URL, BODY | {"password": password}).status_code == 201

    login = "/api/v1/auth/login/"
    assert api.post(login, {"email": BODY["email"], "password": password}).status_code == 200
    assert api.post(login, {"email": BODY["email"], "password": password[:-1]}).status_code == 401


@pytest.mark.django_db(transaction=True)
def test_a_hundred_parallel_registrations_of_one_address_in_two_spellings_make_one_account() -> None:
    spellings = ["ada@example.com", "ＡＤＡ@Example.COM"]

    statuses = at_once(100, lambda number: APIClient().post(URL, BODY | {"email": spellings[number % 2]}).status_code)

    assert sorted(statuses) == [201] + [409] * 99
    assert User.objects.count() == 1
    assert OutboxRow.objects.count() == 1


@pytest.mark.django_db
def test_where_taken_addresses_are_not_disclosed_both_answers_are_alike(api: APIClient, settings: Settings) -> None:
    settings.REGISTRATION_DISCLOSES_TAKEN = False
    UserFactory.create(email="ada@example.com")

    answers = [
        api.post(URL, BODY | {"email": email}, headers={"X-Request-ID": "same"})
        for email in ("ada@example.com", "bob@example.com")
    ]

    assert [(answer.status_code, answer.content) for answer in answers] == [(202, b"{}")] * 2
    told = [{name: text for name, text in answer.headers.items() if name != "RateLimit"} for answer in answers]
    assert told[0] == told[1]
    assert "Location" not in told[0]
    assert set(User.objects.values_list("email", flat=True)) == {"ada@example.com", "bob@example.com"}


@pytest.mark.django_db(transaction=True)
def test_a_hundred_parallel_registrations_that_disclose_nothing_make_one_account_and_one_mail(
    settings: Settings,
) -> None:
    settings.REGISTRATION_DISCLOSES_TAKEN = False
    spellings = ["ada@example.com", "ＡＤＡ@Example.COM"]

    statuses = at_once(100, lambda number: APIClient().post(URL, BODY | {"email": spellings[number % 2]}).status_code)
    run_jobs()

    assert statuses == [202] * 100
    assert User.objects.count() == 1
    assert [message.subject for message in mail.outbox] == ["Welcome to Layerline"]
