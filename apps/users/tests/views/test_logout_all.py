import pytest
from rest_framework.test import APIClient

from apps.users.tests.factories import UserFactory
from apps.users.tests.support import SignIn, problem, row

pytestmark = pytest.mark.django_db

URL = "/api/v1/auth/logout-all/"


def test_every_device_of_the_user_is_signed_out_and_nobody_elses(api: APIClient, auth_api: SignIn) -> None:
    user, other = UserFactory.create(), UserFactory.create()
    here, there, others = auth_api(user), auth_api(user), auth_api(other)

    response = here.post(URL)

    assert (response.status_code, response.content) == (204, b"")
    for client in (here, there):
        assert problem(client.get("/api/v1/auth/me/")) == (401, "session_revoked")
        assert problem(api.post("/api/v1/auth/refresh/", {"refresh": client.refresh})) == (401, "session_revoked")
    assert others.get("/api/v1/auth/me/").status_code == 200


def test_it_takes_a_token(api: APIClient) -> None:
    user = UserFactory.create()
    before = row(user.pk)

    assert problem(api.post(URL)) == (401, "authentication_failed")
    assert row(user.pk) == before
