from typing import Any
from uuid import uuid4

import pytest

from apps.common.enums import Role
from apps.users.tests.factories import AdminFactory, UserFactory
from apps.users.tests.support import Client, SignIn, problem, row, wrong_fields

FOREIGN: list[tuple[dict[str, Any], str]] = [
    ({"id": "0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a10"}, "read_only"),
    ({"email": "eve@example.com"}, "read_only"),
    ({"is_active": False}, "read_only"),
    ({"created_at": "2020-01-01T00:00:00Z"}, "read_only"),
    ({"is_staff": True}, "unknown"),
    ({"is_superuser": True}, "unknown"),
    ({"password": "a whole new password"}, "unknown"),
    ({"groups": [1]}, "unknown"),
]


def _url(user_id: object) -> str:
    return f"/api/v1/users/{user_id}/"


@pytest.mark.django_db
def test_the_owner_changes_name_and_phone(auth_api: SignIn) -> None:
    client = auth_api(UserFactory.create(name="Ada"))

    response = client.patch(_url(client.user.pk), {"name": "Ada King", "phone": "+442079460000"})

    client.user.refresh_from_db()
    assert response.status_code == 200
    assert (client.user.name, client.user.phone) == ("Ada King", "+442079460000")
    assert response.json() == client.get(_url(client.user.pk)).json()


@pytest.mark.django_db
def test_put_needs_every_field_and_null_clears(auth_api: SignIn) -> None:
    client = auth_api(UserFactory.create(name="Ada", phone="+442079460000"))
    before = row(client.user.pk)

    assert wrong_fields(client.put(_url(client.user.pk), {"name": "Ada King"})) == {"phone": "required"}
    assert wrong_fields(client.put(_url(client.user.pk), {"phone": None})) == {"name": "required"}
    assert row(client.user.pk) == before

    assert client.put(_url(client.user.pk), {"name": "Ada King", "phone": None}).status_code == 200
    client.user.refresh_from_db()
    assert (client.user.name, client.user.phone) == ("Ada King", None)


@pytest.mark.django_db
def test_put_needs_the_role_too_from_an_admin(admin_api: Client) -> None:
    user = UserFactory.create()

    assert wrong_fields(admin_api.put(_url(user.pk), {"name": "Ada", "phone": None})) == {"role": "required"}
    assert admin_api.put(_url(user.pk), {"name": "Ada", "phone": None, "role": "moderator"}).status_code == 200

    user.refresh_from_db()
    assert (user.name, user.role) == ("Ada", Role.MODERATOR)


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["put", "patch"])
@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
def test_nobody_promotes_himself(auth_api: SignIn, method: str, role: Role) -> None:
    client = auth_api(role)
    before = row(client.user.pk)

    response = getattr(client, method)(_url(client.user.pk), {"name": "Eve", "phone": None, "role": "admin"})

    assert wrong_fields(response) == {"role": "read_only"}
    assert row(client.user.pk) == before


@pytest.mark.django_db
@pytest.mark.parametrize(("field", "code"), FOREIGN)
@pytest.mark.parametrize("method", ["put", "patch"])
def test_other_fields_are_refused_and_the_row_stays(
    auth_api: SignIn, method: str, field: dict[str, Any], code: str
) -> None:
    client = auth_api(Role.USER)
    before = row(client.user.pk)

    response = getattr(client, method)(_url(client.user.pk), {"name": "Eve", "phone": None} | field)

    assert wrong_fields(response) == {next(iter(field)): code}
    assert row(client.user.pk) == before


@pytest.mark.django_db
@pytest.mark.parametrize(("field", "code"), FOREIGN)
def test_other_fields_are_refused_from_an_admin_as_well(admin_api: Client, field: dict[str, Any], code: str) -> None:
    user = UserFactory.create()
    before = row(user.pk)

    response = admin_api.patch(_url(user.pk), {"role": "admin"} | field)

    assert wrong_fields(response) == {next(iter(field)): code}
    assert row(user.pk) == before


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["root", "", "ADMIN", None, True, ["admin"], {"role": "admin"}, 1])
def test_a_role_that_is_none_is_refused(admin_api: Client, role: object) -> None:
    user = UserFactory.create()
    before = row(user.pk)

    assert list(wrong_fields(admin_api.patch(_url(user.pk), {"role": role}))) == ["role"]
    assert row(user.pk) == before


@pytest.mark.django_db
def test_what_was_shown_may_be_sent_back(auth_api: SignIn) -> None:
    client = auth_api(UserFactory.create(phone="+442079460000"))
    shown = client.get(_url(client.user.pk)).json()

    response = client.put(_url(client.user.pk), shown | {"name": "Ada King"})

    assert response.status_code == 200
    assert response.json() == shown | {"name": "Ada King", "updated_at": response.json()["updated_at"]}


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["put", "patch"])
@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
def test_anothers_account_stays_as_it_is(auth_api: SignIn, method: str, role: Role) -> None:
    client, other = auth_api(role), AdminFactory.create()
    before = row(other.pk)

    there = getattr(client, method)(_url(other.pk), {"name": "Eve", "phone": None})
    not_there = getattr(client, method)(_url(uuid4()), {"name": "Eve", "phone": None})

    assert problem(there) == problem(not_there) == (403, "forbidden")
    assert row(other.pk) == before


@pytest.mark.django_db
def test_an_admin_is_told_that_an_account_is_not_there(admin_api: Client) -> None:
    assert problem(admin_api.patch(_url(uuid4()), {"name": "Eve"})) == (404, "not_found")


@pytest.mark.django_db
def test_the_last_admin_cannot_leave(admin_api: Client) -> None:
    before = row(admin_api.user.pk)

    assert problem(admin_api.patch(_url(admin_api.user.pk), {"role": "user"})) == (409, "conflict")
    assert row(admin_api.user.pk) == before


@pytest.mark.django_db(transaction=True)
def test_a_demoted_admins_token_is_forbidden_at_the_next_request(auth_api: SignIn, admin_api: Client) -> None:
    demoted, user = auth_api(Role.ADMIN), UserFactory.create()
    assert demoted.get("/api/v1/users/").status_code == 200

    assert admin_api.patch(_url(demoted.user.pk), {"role": "moderator"}).status_code == 200

    assert problem(demoted.get("/api/v1/users/")) == (403, "forbidden")
    assert problem(demoted.get(_url(user.pk))) == (403, "forbidden")
    assert problem(demoted.delete(_url(user.pk))) == (403, "forbidden")
    assert demoted.get("/api/v1/auth/me/").json()["role"] == "moderator"


@pytest.mark.django_db(transaction=True)
def test_a_promoted_users_token_acts_at_the_next_request(auth_api: SignIn, admin_api: Client) -> None:
    promoted = auth_api(Role.USER)

    admin_api.patch(_url(promoted.user.pk), {"role": "admin"})

    assert promoted.get("/api/v1/users/").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_change_is_shown_at_once_whatever_the_cache_held(auth_api: SignIn, admin_api: Client) -> None:
    owner = auth_api(UserFactory.create(name="Ada"))
    url = _url(owner.user.pk)
    assert admin_api.get(url).json()["name"] == "Ada"

    for name in ("Ada King", "Ada Byron"):
        owner.patch(url, {"name": name})
        assert admin_api.get(url).json()["name"] == name
