"""Whoever copies the database and Redis holds nothing to sign in with."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import pytest
from django.conf import settings
from django.test import Client as Browser
from rest_framework.test import APIClient

from apps.users.models import RefreshToken, TotpDevice, User
from apps.users.tests.authenticator import Authenticator
from apps.users.tests.factories import AdminFactory
from tests.dumps import entries_of_redis, tables

if TYPE_CHECKING:
    from conftest import AuthenticatedClient

PASSWORD: Final = "nine hundred lanterns"


def _good(response: Any) -> dict[str, Any]:
    assert response.status_code in {200, 201}, response.content
    body: dict[str, Any] = response.json()
    return body


def _everything_done(api: APIClient) -> tuple[Authenticator, list[str]]:
    """Let a person and an admin do all there is to do; return the app, and every secret that was ever shown."""
    login = {"email": "ada@example.com", "password": PASSWORD}
    _good(api.post("/api/v1/auth/register/", login | {"name": "Ada", "phone": "+442079460000"}))
    first = _good(api.post("/api/v1/auth/login/", login))
    header = {"Authorization": f"Bearer {first['access']}"}
    setup = _good(api.post("/api/v1/auth/mfa/setup/", {"password": PASSWORD}, headers=header))
    app = Authenticator(setup["secret"], [])
    confirm = {"password": PASSWORD, "code": app.code()}
    void = _good(api.post("/api/v1/auth/mfa/confirm/", confirm, headers=header))["recovery_codes"]
    codes = _good(api.post("/api/v1/auth/mfa/recovery/", {"password": PASSWORD}, headers=header))["recovery_codes"]
    challenges = [_good(api.post("/api/v1/auth/login/", login))["mfa_token"] for _ in range(3)]
    pairs = [
        _good(api.post("/api/v1/auth/mfa/verify/", {"mfa_token": token, "code": code}))
        for token, code in zip(challenges, [app.code(1), codes[0]], strict=False)
    ]
    pairs.append(_good(api.post("/api/v1/auth/refresh/", {"refresh": pairs[0]["refresh"]})))
    _good(api.get("/api/v1/auth/me/", headers={"Authorization": f"Bearer {pairs[1]['access']}"}))
    User.objects.filter(email=login["email"]).update(is_staff=True)
    browser = Browser()
    browser.post("/admin/login/", {"username": login["email"], "password": PASSWORD, "code": codes[1]})
    assert browser.session["_auth_user_id"]
    shown = [first["access"], first["refresh"], *(pair[kind] for pair in pairs for kind in ("access", "refresh"))]
    return Authenticator(setup["secret"], codes), [*shown, *challenges, *void, *codes, setup["secret"]]


@pytest.mark.django_db(transaction=True)
def test_a_dump_holds_no_password_no_token_no_code_and_no_key(api: APIClient) -> None:
    app, shown = _everything_done(api)
    secrets = [
        *shown,
        # A token without its signature is none, and a code is one without its hyphens too.
        *(token.rpartition(".")[2] for token in shown if token.count(".") == 2),
        *(code.replace("-", "") for code in shown if code.count("-") == 3),
        PASSWORD,
        settings.SECRET_KEY,
        *(key["secret"] for key in settings.JWT_KEYS),
        *settings.FIELD_ENCRYPTION_KEYS,
    ]

    rows, entries = "".join(tables()), "\n".join(entries_of_redis())

    for dump in (rows, entries):
        assert [secret for secret in secrets if secret.lower() in dump.lower()] == []
    fields = {field for line in rows.splitlines() for field in line.split("\t")}
    assert fields.isdisjoint(app.code(steps) for steps in range(-2, 3))
    # The dump is one: what may stand there does.
    assert "ada@example.com" in rows
    assert str(TotpDevice.objects.get().user_id) in entries
    assert rows.count("argon2id") == 1


@pytest.mark.django_db
def test_what_it_holds_instead_opens_nothing(api: APIClient, auth_api: Callable[..., "AuthenticatedClient"]) -> None:
    user = auth_api(AdminFactory.create()).user
    token = RefreshToken.objects.get()

    for text in (str(token.pk), str(token.session_id), token.key_id, user.password):
        for url, body in {
            "/api/v1/auth/login/": {"email": user.email, "password": text},
            "/api/v1/auth/refresh/": {"refresh": text},
            "/api/v1/auth/mfa/verify/": {"mfa_token": text, "code": "123456"},
        }.items():
            assert api.post(url, body).status_code == 401
        assert api.get("/api/v1/auth/me/", headers={"Authorization": f"Bearer {text}"}).status_code == 401
