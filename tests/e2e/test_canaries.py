"""The canary drill: whatever is sent or answered under a secret's name must be found nowhere afterwards.

Real servers with production's logs, a worker, a command, each with its own log; a Redis and a broker of the drill's
own, which are read to the last entry; a dump of every table; every report and span that was sent. A new route is part
of it as soon as the table of its slice's `tests/routes.py` declares it, and the names under which it sends or answers
secrets stand in `canaries.py`.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest
import requests
from django.conf import settings
from django.db import connection

from apps.common.tests.access import Call, Route
from apps.users.models import User
from apps.users.tests.authenticator import code_at
from apps.users.tests.factories import PASSWORD, AdminFactory, UserFactory
from apps.users.tests.routes import EMAIL
from infrastructure.queue.models import OutboxRow, OutboxState
from layerline.flow import report
from layerline.flow.trace import trace
from tests.e2e.canaries import (
    Canaries,
    Collector,
    collector,
    entries,
    tables,
    without_the_address_of_a_cached_account,
)
from tests.e2e.servers import Server, gunicorn, running
from tests.infrastructure.queue.servers import Broker, Mailbox, database_url, wait_until, worker
from tests.test_routes import ROUTES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240), pytest.mark.django_db(transaction=True)]

_LOGIN: Final = "/api/v1/auth/login/"
_PHONE: Final = "+4420"


@dataclass
class Drill:
    """Where everything is, and what is to be looked for."""

    server: Server
    environment: dict[str, str]
    redis: Broker
    broker: Broker
    collected: Collector
    mailbox: Mailbox
    folder: Path
    canaries: Canaries

    def send(self, method: str, path: str, *, body: Any = None, token: str | None = None, **options: Any) -> Any:
        """Send a request, and learn from what is sent and answered."""
        self.canaries.learn(body)
        response = self.server.send(method, path, token=token, json=body, **options)
        # The code of a problem is none that opens anything.
        if response.ok and response.content:
            self.canaries.learn(response.json())
        return response

    def sign_in(self, email: str) -> dict[str, Any]:
        response = self.send("POST", _LOGIN, body={"email": email, "password": PASSWORD})
        assert response.status_code == 200, response.text
        tokens: dict[str, Any] = response.json()
        return tokens

    def mailed_token(self, address: str) -> str:
        """Return the token of the link that is mailed to the address."""
        [mail] = wait_until(lambda: [mail for mail in self.mailbox.mails if mail["To"] == address], seconds=30)
        text = mail.get_body(("plain",))
        assert text is not None
        (token,) = re.findall(r"#token=([\w-]+)", text.get_content())
        return str(token)

    def search(self) -> list[str]:
        """Return what of all that is found, and where."""
        return [leak for place, text in self._places() for leak in self.canaries.found_in(place, text)]

    def _places(self) -> Iterator[tuple[str, str]]:
        """Yield everywhere that something could be read, by name."""
        yield from tables().items()
        for name, server in {"redis": self.redis, "broker": self.broker}.items():
            with server.client as client:
                for key, entry in entries(client).items():
                    yield f"{name} {key}", without_the_address_of_a_cached_account(key, entry)
        for log in self.folder.iterdir():
            yield log.name, log.read_text(encoding="utf-8")
        yield from ((f"report {number}", text) for number, text in enumerate(self.collected.reports))
        yield from ((f"spans {number}", text) for number, text in enumerate(self.collected.spans))


@pytest.fixture
def drill(transactional_db: None, mailbox: Mailbox, tmp_path: Path) -> Iterator[Drill]:
    with Broker() as redis, Broker() as broker, collector() as collected:
        environment = {
            "DJANGO_SETTINGS_MODULE": "tests.e2e.drill_settings",
            "E2E_REDIS_KEY_PREFIX": settings.REDIS_KEY_PREFIX,
            "DATABASE_URL": database_url(),
            "REDIS_URL": redis.url,
            "BROKER_URL": broker.url,
            "SMTP_PORT": str(mailbox.port),
            "DRILL_SENTRY_DSN": collected.dsn,
            "OTEL_EXPORTER_OTLP_ENDPOINT": collected.url,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            "LOG_LEVEL": "DEBUG",
            **{f"THROTTLE_{scope.upper()}": "1000000/min" for scope in settings.THROTTLE_RATES},
        }
        with running(gunicorn, log=tmp_path / "web.log", environment=environment) as server:
            yield Drill(server, environment, redis, broker, collected, mailbox, tmp_path, _keys())


def _keys() -> Canaries:
    """Return what the servers know from the start: their keys and passwords."""
    keys = {settings.SECRET_KEY, *settings.FIELD_ENCRYPTION_KEYS, *(key["secret"] for key in settings.JWT_KEYS)}
    return Canaries(secrets={*keys, connection.get_connection_params()["password"]})


def _live(drill: Drill) -> None:
    """Do what a person does with an account, wrong tries and faults included."""
    address, phone = f"{uuid4().hex}@example.com", f"{_PHONE}{uuid4().int % 10**8:08}"
    account = {"email": address, "name": "Ada Lovelace", "password": f"lanterns {uuid4().hex}", "phone": phone}
    assert drill.send("POST", "/api/v1/auth/register/", body=account).status_code == 201
    assert drill.send("POST", "/api/v1/auth/register/", body=account).status_code == 409
    credentials = {"email": address, "password": account["password"]}
    assert drill.send("POST", _LOGIN, body=credentials | {"password": f"wrong {uuid4().hex}"}).status_code == 401
    tokens = drill.send("POST", _LOGIN, body=credentials).json()
    for _ in range(2):
        assert drill.send("GET", "/api/v1/auth/me/", token=tokens["access"]).status_code == 200
    other = f"{_PHONE}{uuid4().int % 10**8:08}"
    assert drill.send("PATCH", "/api/v1/auth/me/", body={"phone": other}, token=tokens["access"]).status_code == 200
    wrong = {"phone": other, "password": f"unknown {uuid4().hex}"}
    assert drill.send("PATCH", "/api/v1/auth/me/", body=wrong, token=tokens["access"]).status_code == 400
    newer = drill.send("POST", "/api/v1/auth/refresh/", body={"refresh": tokens["refresh"]}).json()
    fault = {**account, "token": f"token {uuid4().hex}", "nested": {"code": uuid4().hex}}
    assert drill.send("POST", "/api/v1/failing/?page=2", body=fault, token=newer["access"]).status_code == 500
    assert drill.server.send("GET", "/failing/", headers={"Cookie": f"sessionid={newer['access']}"}).status_code == 500
    key = {"Idempotency-Key": uuid4().hex}
    made, again = (
        drill.send("POST", "/api/v1/echoing/", body=fault, token=newer["access"], headers=key) for _ in range(2)
    )
    assert (made.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert drill.send("POST", "/api/v1/auth/logout/", body={"refresh": newer["refresh"]}).status_code == 204


def _add_second_factor(drill: Drill) -> None:
    """Turn the second factor on, sign in with it, renew its recovery codes, and turn it off."""
    user = UserFactory.create()
    token = drill.sign_in(user.email)["access"]
    password = {"password": PASSWORD}
    setup = drill.send("POST", "/api/v1/auth/mfa/setup/", body=password, token=token).json()
    code = {"code": code_at(setup["secret"], int(time.time()) // 30)}
    on = drill.send("POST", "/api/v1/auth/mfa/confirm/", body=password | code, token=token).json()
    answer = {"mfa_token": drill.sign_in(user.email)["mfa_token"], "code": on["recovery_codes"][0]}
    assert drill.send("POST", "/api/v1/auth/mfa/verify/", body=answer | {"code": "wrong-code-1"}).status_code == 401
    assert drill.send("POST", "/api/v1/auth/mfa/verify/", body=answer).status_code == 200
    for action in ("recovery", "disable"):
        assert drill.send("POST", f"/api/v1/auth/mfa/{action}/", body=password, token=token).ok


def _follow_links(drill: Drill) -> None:
    """Reset a password and change an address by the links that are mailed."""
    user, other = UserFactory.create(), f"{uuid4().hex}@example.com"
    drill.send("POST", "/api/v1/auth/password/reset/", body={"email": user.email})
    new = {"token": drill.mailed_token(user.email), "new": f"lanterns {uuid4().hex}"}
    assert drill.send("POST", "/api/v1/auth/password/reset/confirm/", body=new).status_code == 204
    login = {"email": user.email, "password": new["new"]}
    token = drill.send("POST", _LOGIN, body=login).json()["access"]
    change = {"email": other, "password": new["new"]}
    assert drill.send("POST", "/api/v1/auth/email/change/", body=change, token=token).status_code == 202
    confirmed = drill.send("POST", "/api/v1/auth/email/verify/", body={"token": drill.mailed_token(other)})
    assert confirmed.status_code == 204


def _administer(drill: Drill) -> None:
    """Sign in to the admin site, fail to, and change an account there."""
    admin, user = AdminFactory.create(), UserFactory.create()
    phone = f"{_PHONE}{uuid4().int % 10**8:08}"
    drill.canaries.learn([{"email": admin.email}, {"email": user.email, "phone": phone, "password": PASSWORD}])
    with requests.Session() as browser:
        browser.trust_env = False
        for path, form in (
            ("/admin/login/?next=/admin/", {"username": admin.email, "password": f"wrong {uuid4().hex}"}),
            ("/admin/login/?next=/admin/", {"username": admin.email, "password": PASSWORD}),
            (f"/admin/users/user/{user.pk}/change/", {"name": "Ada King", "phone": phone, "role": "moderator"}),
            ("/admin/users/user/", {"action": "deactivate", "_selected_action": str(user.pk)}),
        ):
            drill.canaries.learn(form)
            browser.get(drill.server.url + path)
            token = {"csrfmiddlewaretoken": browser.cookies["csrftoken"]}
            assert browser.post(drill.server.url + path, form | token).status_code == 200
    user.refresh_from_db()
    assert (user.phone, user.role, user.is_active) == (phone, "moderator", False)


def _answering(route: Route, method: str) -> str | None:
    """Return who is answered as asked, or None if nobody is."""
    callers = ("owner", "admin", "anonymous")
    return next((caller for caller in callers if 200 <= route.table[caller].get(method, 405) < 300), None)


def _call(drill: Drill, address: str, route: Route, method: str, caller: str) -> None:
    """Call a route as its slice declares it, for an account of its own."""
    owner = UserFactory.create(email=EMAIL, phone=f"{_PHONE}{uuid4().int % 10**8:08}")
    drill.canaries.learn({"email": owner.email, "phone": owner.phone})
    tokens = drill.sign_in(EMAIL)
    path = f"/{address}"
    for name, value in route.address(owner).items():
        path = re.sub(rf"<\w+:{name}>", str(value), path)
    if caller == "admin":
        User.objects.filter(pk=owner.pk).update(role="admin")
    body = route.body(Call(caller=caller, method=method, refresh=tokens["refresh"]))
    token = None if caller == "anonymous" else tokens["access"]
    response = drill.send(method, path, body=body if method in {"POST", "PUT", "PATCH"} else None, token=token)
    assert response.status_code < 500, f"{method} {path}: {response.text}"
    User.objects.filter(pk=owner.pk).update(email=f"{uuid4().hex}@example.com", role="user")


def _fail_in_a_command(drill: Drill) -> None:
    """Let a command fail that knows a password: that of a database which does not take it."""
    password = f"pw-{uuid4().hex}"
    drill.canaries.secrets.add(password)
    address = re.sub(r":[^:@]*@", f":{password}@", drill.environment["DATABASE_URL"])
    with (drill.folder / "command.log").open("wb") as log:
        result = subprocess.run(
            [sys.executable, "manage.py", "rotate_encryption_keys"],
            env={**os.environ, **drill.environment, "DATABASE_URL": address},
            stdout=log,
            stderr=log,
            timeout=50,
            check=False,
        )
    assert result.returncode == 1


def _trace(drill: Drill) -> None:
    """Draw the way of a login, as `make trace` does."""
    body = json.dumps({"email": EMAIL, "password": PASSWORD})
    traced = trace("POST", _LOGIN, body=body.encode(), headers={}, actor="")
    told = [report.as_text(traced), report.as_html(traced), json.dumps(traced.as_json())]
    (drill.folder / "traces").write_text("\n".join(told), encoding="utf-8")


def _finished() -> bool:
    """Tell whether every job was done or has failed once."""
    return not OutboxRow.objects.exclude(state=OutboxState.DONE).filter(last_error="").exists()


def test_no_secret_is_found_anywhere_after_a_life_with_every_route(drill: Drill) -> None:
    _live(drill)
    _add_second_factor(drill)
    _administer(drill)
    for address, route in ROUTES:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            caller = _answering(route, method)
            if caller and "/v1/" in address:
                _call(drill, address, route, method, caller)
    _fail_in_a_command(drill)
    _trace(drill)
    # Once with the jobs waiting at the broker, and once with all of them done.
    found = drill.search()
    with worker(log=drill.folder / "worker.log", environment=drill.environment):
        _follow_links(drill)
        wait_until(_finished, seconds=60)
        wait_until(lambda: len(drill.collected.events()) >= 4, seconds=30)
        found += drill.search()

    assert found == []
    assert len(drill.canaries.secrets) > 50
    assert any("POST" in spans for spans in drill.collected.spans)
    assert Counter(event["exception"]["values"][-1]["type"] for event in drill.collected.events()) == {
        "RuntimeError": 3,
        "OperationalError": 1,
    }


def test_the_drill_finds_what_it_looks_for() -> None:
    canaries = Canaries()
    canaries.learn({"password": 'a+b c"d e', "name": "Ada Lovelace", "inner": [{"phone": "+442079460000"}]})
    canaries.learn({"email": "ada@example.com", "code": "123456"})

    assert canaries.found_in("place", "Ada Lovelace 123456") == []
    assert canaries.found_in("place", r'{"x": "A+B C\"D E"}') == ['place: a+b c"d e']
    assert canaries.found_in("place", "?phone=%2B442079460000") == ["place: +442079460000"]
    assert canaries.found_in("place", "ADA@example.com") == ["place: ada@example.com"]
