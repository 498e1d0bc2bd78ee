from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from apps.common.enums import Role
from apps.users.tests.factories import PASSWORD, UserFactory
from apps.users.tests.support import Client, SignIn, problem, row

pytestmark = pytest.mark.django_db


def _url(user_id: object) -> str:
    return f"/api/v1/users/{user_id}/reactivate/"


def test_the_account_may_log_in_again(api: APIClient, admin_api: Client) -> None:
    user = UserFactory.create(is_active=False)

    response = admin_api.post(_url(user.pk))

    assert (response.status_code, response.content) == (204, b"")
    assert api.post("/api/v1/auth/login/", {"email": user.email, "password": PASSWORD}).status_code == 200


def test_once_more_is_no_error(admin_api: Client) -> None:
    user = UserFactory.create(is_active=False)

    assert [admin_api.post(_url(user.pk)).status_code for _ in range(2)] == [204, 204]


@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
def test_nobody_but_an_admin_reactivates(auth_api: SignIn, role: Role) -> None:
    user = UserFactory.create(is_active=False)
    before = row(user.pk)

    assert problem(auth_api(role).post(_url(user.pk))) == (403, "forbidden")
    assert row(user.pk) == before


def test_an_unknown_account_is_not_found(admin_api: Client) -> None:
    assert problem(admin_api.post(_url(uuid4()))) == (404, "not_found")
