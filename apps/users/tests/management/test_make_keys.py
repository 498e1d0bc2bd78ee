import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.conf import settings as present
from django.core.management import CommandError, call_command
from freezegun import freeze_time
from pytest_django import Settings
from rest_framework.test import APIClient

from apps.users.models import RefreshToken
from apps.users.services import SessionService
from apps.users.tests.authenticator import with_authenticator
from apps.users.tests.factories import PASSWORD, UserFactory
from apps.users.tests.support import problem, signed_in
from infrastructure.tokens import TokenService

MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def _make_keys(*arguments: str, stdout: StringIO | None = None) -> tuple[str, str]:
    output, notes = stdout or StringIO(), StringIO()
    call_command("make_keys", *arguments, stdout=output, stderr=notes, no_color=True)
    return output.getvalue(), notes.getvalue()


def _keys(*arguments: str) -> list[dict[str, Any]]:
    """Return the keys of the one line that is printed."""
    output, _ = _make_keys(*arguments)
    assert output.startswith("JWT_KEYS=[")
    assert output.count("\n") == 1
    keys: list[dict[str, Any]] = json.loads(output.removeprefix("JWT_KEYS="))
    return keys


def test_a_fresh_key_signs_and_the_present_ones_verify() -> None:
    fresh, old = _keys()

    assert old == {"kid": "test", "secret": present.JWT_KEYS[0]["secret"], "sign": False}
    assert fresh["sign"] is True
    # 256 bits.
    assert len(bytes.fromhex(fresh["secret"])) == 32
    assert _keys()[0]["kid"] != fresh["kid"]
    assert _keys()[0]["secret"] != fresh["secret"]


def test_a_key_is_named_after_its_day() -> None:
    with freeze_time(MOMENT):
        assert _keys()[0]["kid"].startswith("2026-03-01-")


def test_a_key_that_waits_only_verifies_until_it_is_told_to_sign(settings: Settings) -> None:
    settings.JWT_KEYS = _keys("--wait")
    waiting, old = settings.JWT_KEYS
    assert (waiting["sign"], old["sign"]) == (False, True)

    assert _keys("--sign", waiting["kid"]) == [waiting | {"sign": True}, old | {"sign": False}]


def test_a_key_that_is_not_there_cannot_sign() -> None:
    with pytest.raises(CommandError, match=r"There is no key next\. There are test\."):
        _make_keys("--sign", "next")


@pytest.mark.parametrize("both", [["--wait", "--retire"], ["--first", "--sign", "test"]])
def test_one_thing_is_done_at_a_time(both: list[str]) -> None:
    with pytest.raises(CommandError, match="not allowed with argument"):
        _make_keys(*both)


def test_the_secrets_of_a_first_deployment_are_one_line_each_and_all_different() -> None:
    output, _ = _make_keys("--first")

    names, values = zip(*(line.split("=", 1) for line in output.splitlines()), strict=True)
    assert names == ("SECRET_KEY", "JWT_SECRET", "FIELD_ENCRYPTION_KEYS")
    assert len({*values, *(line.split("=", 1)[1] for line in _make_keys("--first")[0].splitlines())}) == 6


def test_only_secrets_are_printed_and_a_terminal_is_warned() -> None:
    output, notes = _make_keys()
    shown, warned = _make_keys(stdout=Terminal())

    assert notes == "Set it in the place of JWT_KEYS or JWT_SECRET, and restart.\n"
    assert warned.startswith("Secrets follow, and a terminal keeps what it shows.")
    assert present.JWT_KEYS[0]["secret"] not in notes + warned
    assert len(output.splitlines()) == len(shown.splitlines()) == 1


def test_local_keys_are_told_from_those_of_a_deployment(settings: Settings) -> None:
    settings.DEBUG = True

    assert "These are keys of local use." in _make_keys()[1]
    assert "These are keys of local use." not in _make_keys("--first")[1]


@pytest.mark.django_db
def test_a_key_is_retired_once_its_last_token_has_expired(settings: Settings) -> None:
    with freeze_time(MOMENT):
        signed_in(UserFactory.create())
    settings.JWT_KEYS = fresh, old = _keys()
    with freeze_time(MOMENT + timedelta(days=7, seconds=-1)):
        output, notes = _make_keys("--retire")
        assert json.loads(output.removeprefix("JWT_KEYS=")) == [fresh, old]
        assert "test stays: its last token expires at 2026-03-08 12:00 UTC.\n" in notes
    with freeze_time(MOMENT + timedelta(days=7)):
        output, notes = _make_keys("--retire")
        assert json.loads(output.removeprefix("JWT_KEYS=")) == [fresh]
        assert "test goes: none of its tokens is left.\n" in notes


@pytest.mark.django_db
def test_the_key_that_signs_is_never_retired() -> None:
    assert not RefreshToken.objects.exists()

    assert _keys("--retire") == [dict(key) for key in present.JWT_KEYS]


@pytest.mark.django_db
def test_a_whole_rotation_logs_nobody_out(settings: Settings, api: APIClient) -> None:
    me, refresh = "/api/v1/auth/me/", "/api/v1/auth/refresh/"
    user = UserFactory.create()
    first = signed_in(user)
    second = SessionService.refresh(token=first.refresh)
    app = with_authenticator(user)
    waiting = api.post("/api/v1/auth/login/", {"email": user.email, "password": PASSWORD}).json()["mfa_token"]

    settings.JWT_KEYS = _keys("--wait")
    # What the grace promises is kept across the change, byte for byte.
    assert api.post(refresh, {"refresh": first.refresh}).json()["refresh"] == second.refresh
    settings.JWT_KEYS = fresh, old = _keys("--sign", settings.JWT_KEYS[0]["kid"])
    assert api.post(refresh, {"refresh": first.refresh}).json()["refresh"] == second.refresh
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {second.access}")
    assert api.get(me).status_code == 200
    api.credentials()
    assert api.post("/api/v1/auth/mfa/verify/", {"mfa_token": waiting, "code": app.code()}).status_code == 200
    third = api.post(refresh, {"refresh": second.refresh}).json()
    assert TokenService.decode(third["refresh"], expected_type="refresh").key_id == fresh["kid"]
    assert _keys("--retire") == [fresh, old]

    RefreshToken.objects.filter(key_id=old["kid"]).update(expires_at=datetime.now(UTC))
    settings.JWT_KEYS = _keys("--retire")

    assert [fresh] == settings.JWT_KEYS
    for token in (first, second):
        refused = api.get(me, headers={"Authorization": f"Bearer {token.access}"})
        assert problem(refused) == (401, "token_invalid")
        assert refused.headers["WWW-Authenticate"] == "Bearer"
        assert problem(api.post(refresh, {"refresh": token.refresh})) == (401, "token_invalid")
    assert api.get(me, headers={"Authorization": f"Bearer {third['access']}"}).status_code == 200
    assert api.post(refresh, {"refresh": third["refresh"]}).status_code == 200
