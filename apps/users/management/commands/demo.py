import json
import secrets
import time
from argparse import ArgumentParser
from dataclasses import dataclass
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.users.models import User
from infrastructure.queue.models import OutboxRow, OutboxState

_TIMEOUT: Final = 10
_DOMAIN: Final = "demo.example"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Any


class Command(BaseCommand):
    """A scripted session against a running server, to look at; what it makes it takes away again."""

    help = "Register, log in, look around, be refused and log out, against a running server."

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
        try:
            self._session(f"ada-{run}@{_DOMAIN}", f"grace-{run}@{_DOMAIN}", secrets.token_urlsafe(12))
        finally:
            User.objects.filter(email__in=[f"ada-{run}@{_DOMAIN}", f"grace-{run}@{_DOMAIN}"]).delete()
        self._say("The accounts of the demo are gone again.")

    def _session(self, email: str, admin_email: str, password: str) -> None:
        self._title("A new account")
        ada = self._call("POST", "auth/register/", {"email": email, "name": "Ada", "password": password}, expect=201)
        self._wait_for_mail(ada.body["id"])
        self._call("POST", "auth/register/", {"email": email.upper(), "name": "A", "password": password}, expect=409)

        self._title("Signed in")
        self._call("GET", "auth/me/", expect=401)
        tokens = self._call("POST", "auth/login/", {"email": email, "password": password}, expect=200).body
        self._token = tokens["access"]
        self._call("PATCH", "auth/me/", {"phone": "+442079460000"}, expect=200)
        self._call("PATCH", "auth/me/", {"role": "admin"}, expect=400)
        self._call("GET", "users/", expect=403)
        tokens = self._call("POST", "auth/refresh/", {"refresh": tokens["refresh"]}, expect=200).body

        self._title("As an admin")
        User.objects.create_superuser(admin_email, password, name="Grace")
        admin = self._call("POST", "auth/login/", {"email": admin_email, "password": password}, expect=200).body
        self._token = admin["access"]
        self._call("GET", f"users/?search=ada&ordering=-created_at&created_after={ada.body['created_at'][:10]}T00:00Z")
        self._call("DELETE", f"users/{ada.body['id']}/", expect=204)
        self._token = tokens["access"]
        self._call("GET", "auth/me/", expect=401)
        self._token = admin["access"]
        self._call("POST", "auth/logout/", {"refresh": admin["refresh"]}, expect=204)
        self._call("GET", "auth/me/", expect=401)
        self._call("GET", "no/such/path/", expect=404)

    def _call(self, method: str, path: str, data: dict[str, Any] | None = None, *, expect: int = 200) -> Answer:
        answer = self._send(method, f"/api/v1/{path}", data)
        paint = self.style.SUCCESS if answer.status == expect else self.style.ERROR
        self.stdout.write(f"  {method:<6} /api/v1/{path.partition('?')[0]:<48} {paint(str(answer.status))}")
        if answer.status != expect:
            raise CommandError(f"{method} {path} answered {answer.status} instead of {expect}: {answer.body}")
        if isinstance(answer.body, dict) and "code" in answer.body:
            self.stdout.write(self.style.HTTP_INFO(f"         {answer.body['code']}: {answer.body['detail']}"))
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

    def _wait_for_mail(self, user_id: str) -> None:
        started = time.monotonic()
        row = OutboxRow.objects.get(name="users.send_welcome_email", payload__user_id=user_id)
        while row.state != OutboxState.DONE and time.monotonic() - started < self._patience:
            time.sleep(0.05)
            row.refresh_from_db()
        if row.state == OutboxState.DONE:
            self._say(f"The worker sent the welcome mail: {self._base_url}/dev/mailbox/")
        else:
            self._say("The welcome mail waits in the outbox: no worker has sent it yet.")

    def _title(self, text: str) -> None:
        self.stdout.write(f"\n{self.style.MIGRATE_HEADING(text)}")

    def _say(self, text: str) -> None:
        self.stdout.write(f"  {text}")


def _answer(status: int, body: bytes) -> Answer:
    return Answer(status=status, body=json.loads(body) if body else None)
