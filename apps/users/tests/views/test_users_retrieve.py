from uuid import uuid4

import pytest

from apps.common.enums import Role
from apps.users.tests.factories import UserFactory
from apps.users.tests.support import Client, SignIn, problem


def _url(user_id: object) -> str:
    return f"/api/v1/users/{user_id}/"


@pytest.mark.django_db
def test_the_owner_and_an_admin_see_the_same_account(auth_api: SignIn, admin_api: Client) -> None:
    owner = auth_api(UserFactory.create(phone="+442079460000"))

    response = owner.get(_url(owner.user.pk))

    assert response.status_code == 200
    assert (response.json()["id"], response.json()["phone"]) == (str(owner.user.pk), "+442079460000")
    assert response.json() == admin_api.get(_url(owner.user.pk)).json()


@pytest.mark.django_db
@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
def test_to_others_an_account_that_is_there_and_one_that_is_not_look_the_same(auth_api: SignIn, role: Role) -> None:
    client, other = auth_api(role), UserFactory.create()

    there = client.get(_url(other.pk), headers={"X-Request-ID": "same"})
    not_there = client.get(_url(uuid4()), headers={"X-Request-ID": "same"})

    assert problem(there) == problem(not_there) == (403, "forbidden")
    assert there.content == not_there.content


@pytest.mark.django_db
def test_an_admin_is_told_that_an_account_is_not_there(admin_api: Client) -> None:
    assert problem(admin_api.get(_url(uuid4()))) == (404, "not_found")


@pytest.mark.django_db
@pytest.mark.parametrize("user_id", ["1", "me", "0199f0c26f0e7b1a9d432b8f5c1e7a10", "%00", "../admin"])
def test_what_is_no_key_is_an_unknown_path(admin_api: Client, user_id: str) -> None:
    assert problem(admin_api.get(_url(user_id))) == (404, "not_found")


@pytest.mark.django_db(transaction=True)
def test_each_key_brings_its_own_account_from_a_warm_cache_too(admin_api: Client) -> None:
    users = UserFactory.create_batch(3)

    for _ in range(2):
        assert [admin_api.get(_url(user.pk)).json()["email"] for user in users] == [user.email for user in users]
