from typing import Any

import pytest

from apps.common.enums import Role
from apps.users.tests.factories import UserFactory
from apps.users.tests.support import SignIn, problem, row, wrong_fields

pytestmark = pytest.mark.django_db

URL = "/api/v1/auth/me/"


def test_it_shows_these_fields_and_no_others(auth_api: SignIn) -> None:
    user = UserFactory.create(email="ada@example.com", name="Ada", phone="+442079460000")

    response = auth_api(user).get(URL)

    assert response.status_code == 200
    assert response.json() == {
        "id": str(user.pk),
        "email": "ada@example.com",
        "name": "Ada",
        "phone": "+442079460000",
        "role": "user",
        "email_verified": False,
        "avatar": None,
        "created_at": user.created_at.isoformat().replace("+00:00", "Z"),
    }


def test_name_and_phone_change(auth_api: SignIn) -> None:
    client = auth_api(UserFactory.create(name="Ada", phone="+442079460000"))

    response = client.patch(URL, {"name": "Ada King", "phone": None})

    client.user.refresh_from_db()
    assert response.status_code == 200
    assert (client.user.name, client.user.phone) == ("Ada King", None)
    assert response.json() == client.get(URL).json()


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(
    ("field", "code"),
    [
        ({"email": "eve@example.com"}, "read_only"),
        ({"id": "0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a10"}, "read_only"),
        ({"created_at": "2020-01-01T00:00:00Z"}, "read_only"),
        ({"email_verified": True}, "read_only"),
        ({"avatar": "x.png"}, "read_only"),
        ({"is_staff": True}, "unknown"),
        ({"is_superuser": True}, "unknown"),
        ({"is_active": False}, "unknown"),
        ({"password": "a whole new password"}, "unknown"),
        ({"token_version": 9}, "unknown"),
    ],
)
def test_nothing_else_changes_and_a_good_field_beside_it_neither(
    auth_api: SignIn, role: Role, field: dict[str, Any], code: str
) -> None:
    client = auth_api(role)
    before = row(client.user.pk)

    response = client.patch(URL, {"name": "Eve"} | field)

    assert wrong_fields(response) == {next(iter(field)): code}
    assert row(client.user.pk) == before


def test_nobody_promotes_himself_by_sending_a_role(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    before = row(client.user.pk)

    assert wrong_fields(client.patch(URL, {"role": "admin"})) == {"role": "read_only"}
    assert row(client.user.pk) == before


def test_what_was_shown_may_be_sent_back_with_a_change(auth_api: SignIn) -> None:
    client = auth_api(UserFactory.create(name="Ada", phone="+442079460000"))

    response = client.patch(URL, client.get(URL).json() | {"name": "Ada King"})

    assert response.status_code == 200
    assert response.json()["name"] == "Ada King"


@pytest.mark.parametrize("body", [{}, None])
def test_an_empty_change_changes_no_value(auth_api: SignIn, body: dict[str, Any] | None) -> None:
    client = auth_api(UserFactory.create(name="Ada"))
    shown = client.get(URL).json()

    response = client.patch(URL, body)

    assert (response.status_code, response.json()) == (200, shown)


def test_it_cannot_be_replaced_or_deleted(auth_api: SignIn) -> None:
    client = auth_api(Role.ADMIN)
    before = row(client.user.pk)

    for response in (client.put(URL, {"name": "Eve", "phone": None}), client.delete(URL), client.post(URL, {})):
        assert problem(response) == (405, "method_not_allowed")
        assert response.headers["Allow"] == "GET, PATCH, HEAD"
    assert row(client.user.pk) == before
