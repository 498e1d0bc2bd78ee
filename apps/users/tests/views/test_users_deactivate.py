from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from apps.common.enums import Role
from apps.users.tests.factories import PASSWORD, AdminFactory, UserFactory
from apps.users.tests.support import Client, SignIn, problem, row


def _url(user_id: object) -> str:
    return f"/api/v1/users/{user_id}/"


@pytest.mark.django_db(transaction=True)
def test_a_deactivated_users_tokens_die_at_the_next_request(
    api: APIClient, auth_api: SignIn, admin_api: Client
) -> None:
    client = auth_api(UserFactory.create())
    # The cache is warm, and must not keep anyone signed in.
    assert client.get(_url(client.user.pk)).status_code == 200

    response = admin_api.delete(_url(client.user.pk))

    assert (response.status_code, response.content) == (204, b"")
    assert problem(client.get("/api/v1/auth/me/")) == (401, "session_revoked")
    assert problem(client.get(_url(client.user.pk))) == (401, "session_revoked")
    assert problem(api.post("/api/v1/auth/refresh/", {"refresh": client.refresh})) == (401, "session_revoked")
    login = api.post("/api/v1/auth/login/", {"email": client.user.email, "password": PASSWORD})
    assert problem(login) == (401, "authentication_failed")
    assert admin_api.get(_url(client.user.pk)).json()["is_active"] is False


@pytest.mark.django_db
def test_once_more_is_no_error(admin_api: Client) -> None:
    user = UserFactory.create()

    assert [admin_api.delete(_url(user.pk)).status_code for _ in range(2)] == [204, 204]


@pytest.mark.django_db
def test_nobody_deactivates_the_own_account(admin_api: Client) -> None:
    AdminFactory.create()
    before = row(admin_api.user.pk)

    assert problem(admin_api.delete(_url(admin_api.user.pk))) == (409, "conflict")
    assert row(admin_api.user.pk) == before


@pytest.mark.django_db
@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
def test_nobody_but_an_admin_deactivates_not_even_himself(auth_api: SignIn, role: Role) -> None:
    client, other = auth_api(role), UserFactory.create()
    before = [row(client.user.pk), row(other.pk)]

    for user_id in (client.user.pk, other.pk, uuid4()):
        assert problem(client.delete(_url(user_id))) == (403, "forbidden")
    assert [row(client.user.pk), row(other.pk)] == before


@pytest.mark.django_db
def test_an_unknown_account_is_not_found(admin_api: Client) -> None:
    assert problem(admin_api.delete(_url(uuid4()))) == (404, "not_found")
