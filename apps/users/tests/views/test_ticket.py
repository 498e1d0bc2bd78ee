import pytest
from rest_framework.test import APIClient

from apps.common.enums import Role
from apps.users.models import Session
from apps.users.services import SessionService
from apps.users.tests.support import SignIn, problem, redis_contents

pytestmark = pytest.mark.django_db

URL = "/api/v1/auth/ticket/"


def test_a_ticket_opens_the_session_that_asked_for_it(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)

    response = client.post(URL)

    assert response.status_code == 201
    assert set(response.json()) == {"ticket", "expires_in"}
    assert response.json()["expires_in"] == 30
    admitted = SessionService.redeem_ticket(ticket=response.json()["ticket"])
    assert admitted.account.id == client.user.pk
    assert admitted.bearer.session_id == Session.objects.get().pk


def test_each_ticket_is_another_one(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)

    assert len({client.post(URL).json()["ticket"] for _ in range(5)}) == 5


def test_a_ticket_is_no_access_token(api: APIClient, auth_api: SignIn) -> None:
    ticket = auth_api(Role.USER).post(URL).json()["ticket"]

    assert problem(api.get("/api/v1/auth/me/", headers={"Authorization": f"Bearer {ticket}"})) == (401, "token_invalid")
    SessionService.redeem_ticket(ticket=ticket)


def test_it_takes_a_token(api: APIClient) -> None:
    assert problem(api.post(URL)) == (401, "authentication_failed")
    assert not [name for name in redis_contents() if ":ticket:" in name]
