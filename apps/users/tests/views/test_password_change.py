import pytest
from pytest_django import Settings

from apps.common.enums import Role
from apps.users.tests.factories import PASSWORD
from apps.users.tests.support import SignIn, problem, row, wrong_fields

pytestmark = pytest.mark.django_db

URL = "/api/v1/auth/password/change/"
ME = "/api/v1/auth/me/"
NEW = "nine hundred lanterns"
BODY = {"current": PASSWORD, "new": NEW}


def test_the_answer_is_a_pair_that_works_and_the_old_one_does_not(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)

    response = client.post(URL, BODY)

    body = response.json()
    assert response.status_code == 200
    assert set(body) == {"access", "refresh", "token_type", "expires_in"}
    assert problem(client.get(ME)) == (401, "session_revoked")
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {body['access']}")
    assert client.get(ME).status_code == 200
    assert client.post("/api/v1/auth/refresh/", {"refresh": client.refresh}).status_code == 401
    assert client.post("/api/v1/auth/refresh/", {"refresh": body["refresh"]}).status_code == 200


def test_another_device_is_signed_out(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    elsewhere = auth_api(client.user)

    client.post(URL, BODY)

    assert problem(elsewhere.get(ME)) == (401, "session_revoked")
    assert problem(elsewhere.post("/api/v1/auth/refresh/", {"refresh": elsewhere.refresh})) == (401, "session_revoked")


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"current": "not the one at all"}, {"current": "wrong"}),
        ({"new": PASSWORD}, {"new": "unchanged"}),
        ({"new": "password123"}, {"new": "password_too_common"}),
        ({"new": "x" * 1_025}, {"new": "max_length"}),
        ({"new": 1234567890}, {"new": "invalid"}),
        ({"new": ""}, {"new": "blank"}),
        ({"current": None}, {"current": "null"}),
        ({"password": NEW}, {"password": "unknown"}),
    ],
)
def test_a_wrong_field_is_named_and_nothing_changes(
    auth_api: SignIn, changes: dict[str, object], fields: dict[str, str]
) -> None:
    client = auth_api(Role.USER)
    before = row(client.user.pk)

    assert wrong_fields(client.post(URL, BODY | changes)) == fields

    assert row(client.user.pk) == before
    assert client.get(ME).status_code == 200


def test_whoever_stole_a_token_cannot_try_all_passwords(auth_api: SignIn, settings: Settings) -> None:
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"password": (3, 60)}
    client = auth_api(Role.USER)

    tries = [client.post(URL, BODY | {"current": f"guess number {n}"}, REMOTE_ADDR=f"203.0.113.{n}") for n in range(4)]
    # One budget for all that asks for the password.
    elsewhere = client.post("/api/v1/auth/me/erase/", {"password": PASSWORD})

    assert [answer.status_code for answer in tries] == [400, 400, 400, 429]
    assert problem(elsewhere) == (429, "throttled")
