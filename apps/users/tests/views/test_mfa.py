"""The second factor over HTTP: turning it on and off."""

from typing import Any

import pytest

from apps.common.enums import Role
from apps.users.models import RecoveryCode, TotpDevice
from apps.users.tests.authenticator import Authenticator, with_authenticator
from apps.users.tests.factories import PASSWORD
from apps.users.tests.support import Client, SignIn, problem, wrong_fields

pytestmark = pytest.mark.django_db

URL = "/api/v1/auth/mfa/"


@pytest.fixture
def client(auth_api: SignIn) -> Client:
    return auth_api(Role.USER)


def _status(client: Client) -> dict[str, Any]:
    response = client.get(URL)
    assert response.status_code == 200
    status: dict[str, Any] = response.json()
    return status


def test_it_is_set_up_confirmed_renewed_and_turned_off(client: Client) -> None:
    assert _status(client) == {"enabled": False, "recovery_codes_left": 0}

    setup = client.post(f"{URL}setup/", {"password": PASSWORD})
    assert (setup.status_code, set(setup.json())) == (200, {"secret", "otpauth_uri"})
    assert setup.headers["Cache-Control"] == "no-store"
    assert _status(client) == {"enabled": False, "recovery_codes_left": 0}

    app = Authenticator(setup.json()["secret"], [])
    confirmed = client.post(f"{URL}confirm/", {"password": PASSWORD, "code": app.code()})
    assert (confirmed.status_code, list(confirmed.json())) == (200, ["recovery_codes"])
    assert len(set(confirmed.json()["recovery_codes"])) == 10
    assert _status(client) == {"enabled": True, "recovery_codes_left": 10}

    renewed = client.post(f"{URL}recovery/", {"password": PASSWORD})
    assert (renewed.status_code, list(renewed.json())) == (200, ["recovery_codes"])
    assert len({*confirmed.json()["recovery_codes"], *renewed.json()["recovery_codes"]}) == 20

    disabled = client.post(f"{URL}disable/", {"password": PASSWORD})
    assert (disabled.status_code, disabled.content) == (204, b"")
    assert _status(client) == {"enabled": False, "recovery_codes_left": 0}
    assert client.post(f"{URL}disable/", {"password": PASSWORD}).status_code == 204


def test_what_is_on_is_a_conflict_to_set_up_and_what_is_off_one_to_renew(client: Client) -> None:
    assert problem(client.post(f"{URL}recovery/", {"password": PASSWORD})) == (409, "conflict")
    assert problem(client.post(f"{URL}confirm/", {"password": PASSWORD, "code": "123456"})) == (409, "conflict")
    app = with_authenticator(client.user)

    assert problem(client.post(f"{URL}setup/", {"password": PASSWORD})) == (409, "conflict")
    assert problem(client.post(f"{URL}confirm/", {"password": PASSWORD, "code": app.code()})) == (409, "conflict")
    assert TotpDevice.objects.get().secret == app.secret


@pytest.mark.parametrize("action", ["setup", "confirm", "disable", "recovery"])
def test_a_wrong_password_is_a_wrong_field_and_changes_nothing(client: Client, action: str) -> None:
    app = with_authenticator(client.user)
    before = [list(TotpDevice.objects.values()), list(RecoveryCode.objects.order_by("pk").values())]
    code = {"code": app.code()} if action == "confirm" else {}

    response = client.post(f"{URL}{action}/", {"password": "not the one at all"} | code)

    assert wrong_fields(response) == {"password": "wrong"}
    assert [list(TotpDevice.objects.values()), list(RecoveryCode.objects.order_by("pk").values())] == before


def test_a_wrong_code_confirms_nothing_and_is_a_wrong_field(client: Client) -> None:
    app = Authenticator(client.post(f"{URL}setup/", {"password": PASSWORD}).json()["secret"], [])

    response = client.post(f"{URL}confirm/", {"password": PASSWORD, "code": app.wrong_code()})

    assert wrong_fields(response) == {"code": "wrong"}
    assert _status(client) == {"enabled": False, "recovery_codes_left": 0}


@pytest.mark.parametrize(
    ("action", "body", "fields"),
    [
        ("setup", {}, {"password": "required"}),
        ("setup", {"password": PASSWORD, "secret": "mine"}, {"secret": "unknown"}),
        ("confirm", {"password": PASSWORD}, {"code": "required"}),
        ("confirm", {"password": PASSWORD, "code": 123456}, {"code": "invalid"}),
        ("confirm", {"password": PASSWORD, "code": "1" * 65}, {"code": "max_length"}),
        ("disable", {"password": None}, {"password": "null"}),
        ("recovery", {"password": "x" * 1_025}, {"password": "max_length"}),
    ],
)
def test_a_body_of_another_shape_is_refused(
    client: Client, action: str, body: dict[str, Any], fields: dict[str, str]
) -> None:
    assert wrong_fields(client.post(f"{URL}{action}/", body)) == fields
