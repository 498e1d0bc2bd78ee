import pytest
from rest_framework.test import APIClient

from apps.users.models import Session
from apps.users.tests.factories import PASSWORD, UserFactory
from apps.users.tests.support import problem, wrong_fields

pytestmark = pytest.mark.django_db

URL = "/api/v1/auth/login/"


def test_the_answer_is_a_pair_that_works(api: APIClient) -> None:
    user = UserFactory.create()

    response = api.post(URL, {"email": user.email, "password": PASSWORD})

    body = response.json()
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert set(body) == {"access", "refresh", "token_type", "expires_in"}
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 900)
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {body['access']}")
    assert api.get("/api/v1/auth/me/").json()["id"] == str(user.pk)


@pytest.mark.parametrize("email", ["ADA@EXAMPLE.COM", "Ada@Example.com", "ａｄａ@example.com", " ada@example.com "])
def test_the_address_may_be_typed_in_any_spelling(api: APIClient, email: str) -> None:
    UserFactory.create(email="ada@example.com")

    assert api.post(URL, {"email": email, "password": PASSWORD}).status_code == 200


def test_unknown_wrong_and_inactive_are_alike_in_status_headers_and_body(api: APIClient) -> None:
    UserFactory.create(email="ada@example.com")
    UserFactory.create(email="bob@example.com", is_active=False)
    answers = [
        api.post(URL, {"email": email, "password": password}, headers={"X-Request-ID": "same"})
        for email, password in [
            ("nobody@example.com", PASSWORD),
            ("ada@example.com", "not the one at all"),
            ("bob@example.com", PASSWORD),
            ("bob@example.com", "not the one at all"),
            ("no address", PASSWORD),
        ]
    ]

    assert {problem(answer) for answer in answers} == {(401, "authentication_failed")}
    assert len({answer.content for answer in answers}) == 1
    # How much of the address's limit is left depends on the number of tries, not on their kind.
    told = [{name: text for name, text in answer.headers.items() if name != "RateLimit"} for answer in answers]
    assert all(headers == told[0] for headers in told)
    assert told[0]["WWW-Authenticate"] == "Bearer"
    assert not Session.objects.exists()


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"email": "required", "password": "required"}),
        ({"email": "ada@example.com"}, {"password": "required"}),
        ({"email": 7, "password": PASSWORD}, {"email": "invalid"}),
        ({"email": "a" * 255, "password": PASSWORD}, {"email": "max_length"}),
        ({"email": {"$ne": ""}, "password": PASSWORD}, {"email": "invalid"}),
        ({"email": "ada@example.com", "password": "x" * 1_025}, {"password": "max_length"}),
        ({"email": "ada@example.com", "password": PASSWORD, "role": "admin"}, {"role": "unknown"}),
    ],
)
def test_a_body_of_another_shape_is_not_even_tried(
    api: APIClient, body: dict[str, object], fields: dict[str, str]
) -> None:
    assert wrong_fields(api.post(URL, body)) == fields


def test_a_bad_token_does_not_stand_in_the_way_of_a_login(api: APIClient) -> None:
    user = UserFactory.create()
    api.credentials(HTTP_AUTHORIZATION="Bearer rubbish")

    assert api.post(URL, {"email": user.email, "password": PASSWORD}).status_code == 200
