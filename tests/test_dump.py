"""Whoever copies the database and Redis holds nothing to sign in with."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client as Browser
from rest_framework.test import APIClient

from apps.users.models import RefreshToken, TotpDevice, User
from apps.users.tests.authenticator import Authenticator
from apps.users.tests.factories import AdminFactory
from infrastructure import redis

if TYPE_CHECKING:
    from conftest import AuthenticatedClient

PASSWORD: Final = "nine hundred lanterns"
_READERS: Final[dict[bytes, Callable[[Any, bytes], Any]]] = {
    b"string": lambda client, name: client.get(name),
    b"list": lambda client, name: client.lrange(name, 0, -1),
    b"set": lambda client, name: client.smembers(name),
    b"zset": lambda client, name: client.zrange(name, 0, -1),
    b"hash": lambda client, name: client.hgetall(name),
    b"stream": lambda client, name: client.xrange(name),
}


def _tables() -> Iterator[str]:
    """Yield each row of each table, as `COPY` writes it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        names = [name for (name,) in cursor.fetchall()]
        for name in names:
            with cursor.copy(f'COPY "{name}" TO STDOUT') as rows:
                yield from (bytes(block).decode() for block in rows)


def _redis() -> Iterator[str]:
    """Yield each key with what it holds."""
    client: Any = redis.client()
    for name in client.scan_iter(match=f"{redis.key()}*", count=1_000):
        yield f"{name!r} {_READERS[client.type(name)](client, name)!r}"


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

    tables, entries = "".join(_tables()), "\n".join(_redis())

    for dump in (tables, entries):
        assert [secret for secret in secrets if secret.lower() in dump.lower()] == []
    fields = {field for line in tables.splitlines() for field in line.split("\t")}
    assert fields.isdisjoint(app.code(steps) for steps in range(-2, 3))
    # The dump is one: what may stand there does.
    assert "ada@example.com" in tables
    assert str(TotpDevice.objects.get().user_id) in entries
    assert tables.count("argon2id") == 1


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
