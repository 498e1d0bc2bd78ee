"""What a client sees of accounts: over a real socket, from the web server to the mail."""

import os
import re
from collections import Counter
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final

import pytest
import requests

from apps.common.enums import Role
from apps.users.models import User
from apps.users.tests.factories import FACTORIES, PASSWORD, UserFactory
from tests.e2e.servers import Server
from tests.infrastructure.queue.servers import Mailbox, wait_until
from tests.infrastructure.support import at_once

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("database")]

# `LOGINS=2000` is the drill, for a machine that does nothing else.
LOGINS: Final = int(os.environ.get("LOGINS", "200"))
_ACCOUNT: Final = {"email": "ada@example.com", "name": "Ada Lovelace", "password": PASSWORD}


def _problem(response: requests.Response) -> tuple[int, str]:
    document = response.json()
    assert response.headers["Content-Type"] == "application/problem+json"
    assert document["request_id"] == response.headers["X-Request-ID"]
    return response.status_code, document["code"]


def _sign_in(server: Server, email: str) -> dict[str, Any]:
    response = server.send("POST", "/api/v1/auth/login/", json={"email": email, "password": PASSWORD})
    assert response.status_code == 200
    credentials: dict[str, Any] = response.json()
    return credentials


def _signed_in(server: Server, role: Role) -> str:
    user = FACTORIES[role].create()
    return str(_sign_in(server, user.email)["access"])


def test_an_account_lives_from_its_registration_to_its_logout(server: Server) -> None:
    created = server.send("POST", "/api/v1/auth/register/", json=_ACCOUNT)
    assert created.status_code == 201
    assert created.headers["Cache-Control"] == "no-store"
    assert "password" not in created.json()

    first = _sign_in(server, "ADA@example.com")
    me = server.send("GET", "/api/v1/auth/me/", token=first["access"])
    assert (me.status_code, me.json()) == (200, created.json())
    own = server.send("GET", created.headers["Location"], token=first["access"])
    assert (own.status_code, own.json()["email"]) == (200, "ada@example.com")

    second = server.send("POST", "/api/v1/auth/refresh/", json={"refresh": first["refresh"]}).json()
    assert second["refresh"] != first["refresh"]
    assert server.send("GET", "/api/v1/auth/me/", token=second["access"]).status_code == 200

    assert server.send("POST", "/api/v1/auth/logout/", json={"refresh": second["refresh"]}).status_code == 204
    for token in (first["access"], second["access"]):
        refused = server.send("GET", "/api/v1/auth/me/", token=token)
        assert _problem(refused) == (401, "session_revoked")
        assert refused.headers["WWW-Authenticate"] == "Bearer"
    dead = server.send("POST", "/api/v1/auth/refresh/", json={"refresh": second["refresh"]})
    assert _problem(dead) == (401, "session_revoked")


def test_the_welcome_mail_is_sent_by_the_worker_under_the_id_of_the_request(
    server: Server, worker_log: Path, mailbox: Mailbox
) -> None:
    request_id = f"e2e-{server.port}"
    address = f"{request_id}@example.com"

    created = server.send(
        "POST", "/api/v1/auth/register/", json=_ACCOUNT | {"email": address}, headers={"X-Request-ID": request_id}
    )

    assert (created.status_code, created.headers["X-Request-ID"]) == (201, request_id)
    [mail] = wait_until(lambda: [mail for mail in mailbox.mails if mail["To"] == address])
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert all("Ada Lovelace" in part.get_content() for part in mail.iter_parts())
    lines = wait_until(lambda: re.findall(rf".*{request_id}.*", worker_log.read_text(encoding="utf-8")))
    assert any("job_done" in line for line in lines)


def test_the_links_of_real_mails_confirm_an_address_and_bring_a_new_password(
    server: Server, worker_log: Path, mailbox: Mailbox
) -> None:
    address, new = f"links-{server.port}@example.com", "nine hundred lanterns"

    def token(subject: str) -> str:
        def mails() -> list[EmailMessage]:
            return [mail for mail in mailbox.mails if mail["To"] == address and subject in mail["Subject"]]

        text = wait_until(mails)[0].get_body(("plain",))
        assert text is not None
        (found,) = re.findall(r"#token=([\w-]+)", text.get_content())
        return str(found)

    server.send("POST", "/api/v1/auth/register/", json=_ACCOUNT | {"email": address})
    confirmed = server.send("POST", "/api/v1/auth/email/verify/", json={"token": token("Welcome")})
    access = _sign_in(server, address)["access"]
    me = server.send("GET", "/api/v1/auth/me/", token=access)
    asked = server.send("POST", "/api/v1/auth/password/reset/", json={"email": address})
    body = {"token": token("choose a new password"), "new": new}
    reset = server.send("POST", "/api/v1/auth/password/reset/confirm/", json=body)
    again = server.send("POST", "/api/v1/auth/password/reset/confirm/", json=body)
    login = server.send("POST", "/api/v1/auth/login/", json={"email": address, "password": new})

    assert (confirmed.status_code, me.json()["email_verified"]) == (204, True)
    assert (asked.status_code, asked.json(), reset.status_code) == (202, {}, 204)
    assert _problem(server.send("GET", "/api/v1/auth/me/", token=access)) == (401, "session_revoked")
    assert _problem(again) == (400, "validation_error")
    assert login.status_code == 200
    wait_until(lambda: [mail for mail in mailbox.mails if mail["To"] == address and "was changed" in mail["Subject"]])
    log = worker_log.read_text(encoding="utf-8")
    assert address not in log
    assert body["token"] not in log


def test_a_taken_address_is_a_conflict_in_whatever_spelling(server: Server) -> None:
    server.send("POST", "/api/v1/auth/register/", json=_ACCOUNT)

    again = server.send("POST", "/api/v1/auth/register/", json=_ACCOUNT | {"email": "Ada@EXAMPLE.com"})

    assert _problem(again) == (409, "conflict")
    assert User.objects.count() == 1


def test_the_list_is_for_admins(server: Server) -> None:
    page = server.send("GET", "/api/v1/users/", token=_signed_in(server, Role.ADMIN))
    refused = server.send("GET", "/api/v1/users/", token=_signed_in(server, Role.USER))
    unknown = server.send("GET", "/api/v1/users/")

    assert (page.status_code, page.json()["count"]) == (200, 1)
    assert _problem(refused) == (403, "forbidden")
    assert _problem(unknown) == (401, "authentication_failed")


def test_an_unknown_path_is_a_problem(server: Server) -> None:
    assert _problem(server.send("GET", "/api/v1/nowhere/")) == (404, "not_found")


def test_the_eleventh_login_waits_whatever_address_it_claims(production_server: Server) -> None:
    def answer(number: int) -> requests.Response:
        claim = {"X-Forwarded-For": f"198.51.100.{number}", "Forwarded": f"for=198.51.100.{number}"}
        return production_server.send(
            "POST", "/api/v1/auth/login/", json={"email": "ada@example.com", "password": "wrong"}, headers=claim
        )

    answers = [answer(number) for number in range(11)]

    assert [_problem(response) for response in answers] == [(401, "authentication_failed")] * 10 + [(429, "throttled")]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60


@pytest.mark.timeout(900)
def test_of_many_simultaneous_logins_over_four_processes_exactly_ten_are_tried(four_workers: Server) -> None:
    UserFactory.create(email="ada@example.com")
    body = {"email": "ada@example.com", "password": "not the one at all"}

    answers = at_once(LOGINS, lambda _: four_workers.send("POST", "/api/v1/auth/login/", json=body, timeout=60))

    assert Counter(map(_problem, answers)) == {(401, "authentication_failed"): 10, (429, "throttled"): LOGINS - 10}
