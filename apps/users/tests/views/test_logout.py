import pytest
from rest_framework.test import APIClient

from apps.users.models import Session
from apps.users.tests.factories import UserFactory
from apps.users.tests.support import SignIn, problem, wrong_fields

pytestmark = pytest.mark.django_db

URL = "/api/v1/auth/logout/"


def test_the_access_and_the_refresh_token_are_dead_at_once(api: APIClient, auth_api: SignIn) -> None:
    client = auth_api(UserFactory.create())

    response = api.post(URL, {"refresh": client.refresh})

    assert (response.status_code, response.content) == (204, b"")
    assert problem(client.get("/api/v1/auth/me/")) == (401, "session_revoked")
    assert problem(api.post("/api/v1/auth/refresh/", {"refresh": client.refresh})) == (401, "session_revoked")


def test_a_second_logout_is_no_error(api: APIClient, auth_api: SignIn) -> None:
    client = auth_api(UserFactory.create())

    assert [api.post(URL, {"refresh": client.refresh}).status_code for _ in range(2)] == [204, 204]


@pytest.mark.parametrize("token", ["rubbish", "a.b.c", "x" * 4_096])
def test_an_invalid_token_is_no_error_and_ends_nothing(api: APIClient, auth_api: SignIn, token: str) -> None:
    client = auth_api(UserFactory.create())

    assert api.post(URL, {"refresh": token}).status_code == 204
    assert client.get("/api/v1/auth/me/").status_code == 200


def test_an_access_token_ends_nothing(api: APIClient, auth_api: SignIn) -> None:
    client = auth_api(UserFactory.create())

    assert api.post(URL, {"refresh": client.access}).status_code == 204
    assert Session.objects.get().ended_at is None


def test_a_body_without_a_token_is_refused(api: APIClient) -> None:
    assert wrong_fields(api.post(URL, {})) == {"refresh": "required"}
