import json
import re
import secrets
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.users.models import User

_TIMEOUT: Final = 10
_DOMAIN: Final = "demo.example"
_PAUSE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Any


class Command(BaseCommand):
    """A scripted session against a running server, to look at; what it makes it takes away again."""

    help = "Register, confirm, sign in on two devices, be refused, and erase it all, against a running server."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--base-url", default="http://127.0.0.1:8000", help="where the server answers")
        parser.add_argument("--patience", type=float, default=10.0, help="seconds to wait for the worker's mail")

    def handle(self, *, base_url: str, patience: float, **_: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("The demo makes accounts, an admin among them; it runs in local use only.")
        self._base_url = base_url.rstrip("/")
        self._patience = patience
        self._token: str | None = None
        run = secrets.token_hex(3)
        self._ada, self._grace = f"ada-{run}@{_DOMAIN}", f"grace-{run}@{_DOMAIN}"
        self._password = secrets.token_urlsafe(12)
        self._made: list[Any] = []
        try:
            self._play()
        finally:
            # Empty rows too, and those of a demo that broke off.
            User.objects.filter(pk__in=self._made).delete()
        self._say("The accounts of the demo are gone again.")

    def _play(self) -> None:
        ada = self._new_account()
        tokens = self._signed_in()
        self._as_an_admin(ada, tokens)
        self._new_password()
        self._forgotten_password()
        self._the_end()

    def _new_account(self) -> dict[str, Any]:
        self._title("A new account")
        body = {"email": self._ada, "name": "Ada", "password": self._password}
        account = self._call("POST", "auth/register/", body, expect=201).body
        self._made.append(account["id"])
        self._call("POST", "auth/register/", body | {"email": self._ada.upper()}, expect=409)
        if token := self._mailed_token("Welcome"):
            self._call("POST", "auth/email/verify/", {"token": token}, expect=204)
            self._call("POST", "auth/email/verify/", {"token": token}, expect=400)
        return dict(account)

    def _signed_in(self) -> dict[str, str]:
        self._title("Signed in")
        self._call("GET", "auth/me/", expect=401)
        tokens = self._login(self._ada)
        self._token = tokens["access"]
        self._call("PATCH", "auth/me/", {"phone": "+442079460000"})
        self._call("PATCH", "auth/me/", {"role": "admin"}, expect=400)
        self._call("GET", "users/", expect=403)
        return dict(self._call("POST", "auth/refresh/", {"refresh": tokens["refresh"]}).body)

    def _as_an_admin(self, ada: dict[str, Any], tokens: dict[str, str]) -> None:
        self._title("As an admin")
        self._made.append(User.objects.create_superuser(self._grace, self._password, name="Grace").pk)
        admin = self._login(self._grace)
        self._token = admin["access"]
        self._call("GET", f"users/?search=ada&ordering=-created_at&created_after={ada['created_at'][:10]}T00:00Z")
        self._call("DELETE", f"users/{ada['id']}/", expect=204)
        self._token = tokens["access"]
        self._call("GET", "auth/me/", expect=401)
        self._token = admin["access"]
        self._call("POST", f"users/{ada['id']}/reactivate/", expect=204)
        self._call("POST", "auth/logout/", {"refresh": admin["refresh"]}, expect=204)
        self._call("GET", "auth/me/", expect=401)
        self._call("GET", "no/such/path/", expect=404)

    def _new_password(self) -> None:
        self._title("A second device, and a new password")
        laptop, telephone = self._login(self._ada), self._login(self._ada)
        self._token = laptop["access"]
        old, self._password = self._password, secrets.token_urlsafe(12)
        guess = {"current": "a guess", "new": self._password}
        self._call("POST", "auth/password/change/", guess, expect=400)
        pair = self._call("POST", "auth/password/change/", {"current": old, "new": self._password}).body
        self._token = telephone["access"]
        self._call("GET", "auth/me/", expect=401)
        self._token = pair["access"]
        self._call("GET", "auth/me/")

    def _forgotten_password(self) -> None:
        self._title("A forgotten password")
        for email in (f"nobody@{_DOMAIN}", self._ada):
            self._call("POST", "auth/password/reset/", {"email": email}, expect=202)
        if token := self._mailed_token("choose a new password"):
            self._password = secrets.token_urlsafe(12)
            reset = {"token": token, "new": self._password}
            self._call("POST", "auth/password/reset/confirm/", reset, expect=204)
            self._call("GET", "auth/me/", expect=401)

    def _the_end(self) -> None:
        self._title("The end of the account")
        self._token = self._login(self._ada)["access"]
        self._call("POST", "auth/me/erase/", {"password": self._password}, expect=204)
        self._call("GET", "auth/me/", expect=401)
        self._call("POST", "auth/login/", {"email": self._ada, "password": self._password}, expect=401)

    def _login(self, email: str) -> dict[str, str]:
        return dict(self._call("POST", "auth/login/", {"email": email, "password": self._password}).body)

    def _call(self, method: str, path: str, data: dict[str, Any] | None = None, *, expect: int = 200) -> Answer:
        answer = self._send(method, f"/api/v1/{path}", data)
        paint = self.style.SUCCESS if answer.status == expect else self.style.ERROR
        self.stdout.write(f"  {method:<6} /api/v1/{path.partition('?')[0]:<64} {paint(str(answer.status))}")
        if answer.status != expect:
            raise CommandError(f"{method} {path} answered {answer.status} instead of {expect}: {answer.body}")
        if isinstance(answer.body, dict) and "code" in answer.body:
            reasons = [error["detail"] for error in answer.body.get("errors", [])] or [answer.body["detail"]]
            self.stdout.write(self.style.HTTP_INFO(f"         {answer.body['code']}: {' '.join(reasons)}"))
        return answer

    def _send(self, method: str, path: str, data: dict[str, Any] | None) -> Answer:
        headers = {"Accept": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        if data is not None:
            headers["Content-Type"] = "application/json"
        body = None if data is None else json.dumps(data).encode()
        request = Request(self._base_url + path, data=body, method=method, headers=headers)  # noqa: S310  # the caller's server
        try:
            with urlopen(request, timeout=_TIMEOUT) as response:  # noqa: S310  # see above
                return _answer(response.status, response.read())
        except HTTPError as error:
            with error:
                return _answer(error.code, error.read())
        except (URLError, TimeoutError, ConnectionError):
            raise CommandError(
                f"Nothing answers at {self._base_url}. Start it with `make run` in another terminal."
            ) from None

    def _mailed_token(self, subject: str) -> str | None:
        """Return the token of the link that the worker mails to Ada, or None if no mail comes."""
        end = time.monotonic() + self._patience
        while True:
            for mail in _mailbox():
                if mail["To"] == self._ada and subject in mail["Subject"]:
                    self._say(f"“{mail['Subject']}” lies in {self._base_url}/dev/mailbox/")
                    return _token_of(mail)
            if time.monotonic() >= end:
                self._say("No mail yet: it waits in the outbox for a worker, or went to a real server.")
                return None
            time.sleep(_PAUSE)

    def _title(self, text: str) -> None:
        self.stdout.write(f"\n{self.style.MIGRATE_HEADING(text)}")

    def _say(self, text: str) -> None:
        self.stdout.write(f"  {text}")


def _answer(status: int, body: bytes) -> Answer:
    return Answer(status=status, body=json.loads(body) if body else None)


def _mailbox() -> Iterator[EmailMessage]:
    """Yield what lies in the mailbox of local use, the newest first."""
    for file in sorted(Path(settings.MAILBOX_DIR).glob("*.eml"), reverse=True):  # type: ignore[misc]  # of local use only
        yield message_from_bytes(file.read_bytes(), policy=policy.default)


def _token_of(mail: EmailMessage) -> str:
    text = mail.get_body(("plain",))
    found = re.search(r"#token=([\w-]+)", text.get_content() if text else "")
    if found is None:
        raise CommandError("There is no link in the mail.")
    return found[1]
