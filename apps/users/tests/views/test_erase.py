import pytest

from apps.common.enums import Role
from apps.users.models import User
from apps.users.services import ErasureService
from apps.users.tests.factories import PASSWORD, UserFactory
from apps.users.tests.support import Client, SignIn, problem, row, wrong_fields

pytestmark = pytest.mark.django_db

URL = "/api/v1/auth/me/erase/"


def test_the_account_and_its_sessions_are_gone(auth_api: SignIn) -> None:
    client = auth_api(UserFactory.create(email="ada@example.com", name="Ada", phone="+442079460000"))
    elsewhere = auth_api(client.user)

    response = client.post(URL, {"password": PASSWORD})

    assert (response.status_code, response.content) == (204, b"")
    for signed_in in (client, elsewhere):
        assert problem(signed_in.get("/api/v1/auth/me/")) == (401, "session_revoked")
        assert problem(signed_in.post("/api/v1/auth/refresh/", {"refresh": signed_in.refresh}))[0] == 401
    login = client.post("/api/v1/auth/login/", {"email": "ada@example.com", "password": PASSWORD})
    assert problem(login) == (401, "authentication_failed")


def test_the_last_active_admin_stays(admin_api: Client) -> None:
    before = row(admin_api.user.pk)

    assert problem(admin_api.post(URL, {"password": PASSWORD})) == (409, "conflict")

    assert row(admin_api.user.pk) == before
    assert admin_api.get("/api/v1/auth/me/").status_code == 200


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"password": "not the one at all"}, {"password": "wrong"}),
        ({}, {"password": "required"}),
        ({"password": None}, {"password": "null"}),
        ({"password": PASSWORD, "email": "ada@example.com"}, {"email": "unknown"}),
    ],
)
def test_without_the_password_nothing_is_erased(
    auth_api: SignIn, body: dict[str, object], fields: dict[str, str]
) -> None:
    client = auth_api(Role.USER)
    before = row(client.user.pk)

    assert wrong_fields(client.post(URL, body)) == fields

    assert row(client.user.pk) == before


def test_to_admins_an_erased_account_is_an_empty_one_that_stays_as_it_is(admin_api: Client) -> None:
    user = UserFactory.create(email="ada@example.com", name="Ada", phone="+442079460000", avatar="a.webp")
    ErasureService.erase(actor=admin_api.user, user_id=user.pk)
    path = f"/api/v1/users/{user.pk}/"
    before = row(user.pk)

    shown = admin_api.get(path).json()

    assert (shown["name"], shown["phone"], shown["avatar"], shown["is_active"]) == ("", None, None, False)
    assert shown["email"].endswith("@erased.invalid")
    assert problem(admin_api.patch(path, {"name": "Eve"})) == (409, "conflict")
    assert problem(admin_api.post(f"{path}reactivate/")) == (409, "conflict")
    assert admin_api.delete(path).status_code == 204
    assert row(user.pk) == before
    listed = admin_api.get("/api/v1/users/").json()
    assert [each["id"] for each in listed["results"]] == [str(admin_api.user.pk)]
    assert User.objects.count() == 2
