"""A login with a second factor as a client sees it: over a real socket, from the setup to the mails."""

from typing import Any

import pytest
import requests

from apps.users.tests.authenticator import Authenticator
from apps.users.tests.factories import PASSWORD
from tests.e2e.servers import Server
from tests.infrastructure.queue.servers import Mailbox, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("database")]


def _post(server: Server, path: str, body: dict[str, Any], token: str | None = None) -> requests.Response:
    return server.send("POST", f"/api/v1/auth/{path}/", json=body, token=token)


def _good(response: requests.Response, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    return response.json()


def _problem(response: requests.Response) -> tuple[int, str]:
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["WWW-Authenticate"] == "Bearer"
    return response.status_code, response.json()["code"]


def test_a_login_takes_a_code_of_the_app_or_a_recovery_code(server: Server, mailbox: Mailbox) -> None:
    address = f"mfa-{server.port}@example.com"
    login = {"email": address, "password": PASSWORD}
    _good(_post(server, "register", login | {"name": "Ada"}), 201)
    access = _good(_post(server, "login", login))["access"]
    secret = _good(_post(server, "mfa/setup", {"password": PASSWORD}, access))["secret"]
    app = Authenticator(secret, recovery_codes=[])
    confirmed = _post(server, "mfa/confirm", {"password": PASSWORD, "code": app.code()}, access)
    recovery_codes = _good(confirmed)["recovery_codes"]

    # With the app. What it showed a moment ago has confirmed it and is used up.
    challenge = _good(_post(server, "login", login))
    assert (challenge["mfa_required"], challenge["expires_in"], len(challenge)) == (True, 300, 3)
    refused = server.send("GET", "/api/v1/auth/me/", token=challenge["mfa_token"])
    assert _problem(refused) == (401, "token_invalid")
    body = {"mfa_token": challenge["mfa_token"]}
    assert _problem(_post(server, "mfa/verify", body | {"code": app.wrong_code()})) == (401, "authentication_failed")
    pair = _good(_post(server, "mfa/verify", body | {"code": app.code(1)}))
    assert server.send("GET", "/api/v1/auth/me/", token=pair["access"]).json()["email"] == address
    assert _problem(_post(server, "mfa/verify", body | {"code": app.code(1)})) == (401, "token_invalid")

    # Without it.
    body = {"mfa_token": _good(_post(server, "login", login))["mfa_token"], "code": recovery_codes[0]}
    pair = _good(_post(server, "mfa/verify", body))
    pair = _good(_post(server, "refresh", {"refresh": pair["refresh"]}))
    status = server.send("GET", "/api/v1/auth/mfa/", token=pair["access"])
    assert _good(status) == {"enabled": True, "recovery_codes_left": 9}
    body = {"mfa_token": _good(_post(server, "login", login))["mfa_token"], "code": recovery_codes[0]}
    assert _problem(_post(server, "mfa/verify", body)) == (401, "authentication_failed")

    # Turned off, the password is enough again.
    assert _post(server, "mfa/disable", {"password": PASSWORD}, pair["access"]).status_code == 204
    assert "access" in _good(_post(server, "login", login))
    expected = {"a second factor was set up", "a recovery code was used", "the second factor was turned off"}
    wait_until(lambda: expected <= _subjects(mailbox, address))


def _subjects(mailbox: Mailbox, address: str) -> set[str]:
    return {str(mail["Subject"]).rpartition(": ")[2] for mail in mailbox.mails if mail["To"] == address}
