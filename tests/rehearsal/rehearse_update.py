"""A rolling update under load, forwards through an expansion and a contraction of the tables."""

import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

from tests.rehearsal.load import load
from tests.rehearsal.releases import contracted, expanded, unused
from tests.rehearsal.stack import Program, Stack, deployment, nginx

pytestmark = pytest.mark.timeout(600)

_PROGRAMS = ("web", "sockets", "worker")
_PASSWORD = "correct horse battery"
# As long as the proxy's old processes may still have requests for the old servers.
_SECONDS_TO_DRAIN = 2


@pytest.fixture
def stack(django_db_setup: None, tmp_path: Path) -> Iterator[Stack]:
    nginx()
    rates = {f"THROTTLE_{scope.upper()}": "1000000/min" for scope in settings.THROTTLE_RATES}
    with deployment(tmp_path, **rates) as stack:
        stack.migrate()
        yield stack


def _columns(stack: Stack) -> set[str]:
    with psycopg.connect(stack.environment["DATABASE_URL"]) as database:
        rows = database.execute("SELECT column_name FROM information_schema.columns WHERE table_name = 'users'")
        return {name for (name,) in rows}


def _update(stack: Stack, root: Path, old: dict[str, Program]) -> dict[str, Program]:
    """Bring a release in beside the old one, lead everybody to it, and ask the old one to end."""
    stack.migrate(root)
    new = {name: stack.start(name, root=root) for name in _PROGRAMS}
    stack.serve(web=[new["web"]], sockets=[new["sockets"]])
    time.sleep(_SECONDS_TO_DRAIN)
    for program in old.values():
        program.stop()
    return new


def test_nobody_notices_three_updates(stack: Stack, tmp_path: Path) -> None:
    programs = {name: stack.start(name) for name in _PROGRAMS}
    stack.serve(web=[programs["web"]], sockets=[programs["sockets"]])
    account = {"email": "ada@rehearsal.test", "name": "Ada", "password": _PASSWORD}
    assert stack.send("POST", "/api/v1/auth/register/", json=account).status_code == 201
    login = {"email": account["email"], "password": _PASSWORD}
    headers = {"Authorization": f"Bearer {stack.send('POST', '/api/v1/auth/login/', json=login).json()['access']}"}
    numbers = count()

    def rename() -> int:
        name = f"Ada {next(numbers)}"
        answer = stack.send("PATCH", "/api/v1/auth/me/", json={"name": name}, headers=headers)
        # An answer of an old server and one of a new server tell the same.
        if answer.status_code == 200:
            assert answer.json()["name"] == name
        return answer.status_code

    def register() -> int:
        body = account | {"email": f"somebody-{next(numbers)}@rehearsal.test"}
        return stack.send("POST", "/api/v1/auth/register/", json=body).status_code

    def me() -> int:
        return stack.get("/api/v1/auth/me/", headers=headers).status_code

    with load(me=me, rename=rename, register=register) as told:
        root = expanded(tmp_path / "second")
        programs = _update(stack, root, programs)
        assert "nickname" in _columns(stack)
        root = unused(tmp_path / "third", root)
        programs = _update(stack, root, programs)
        assert "nickname" in _columns(stack)
        root = contracted(tmp_path / "fourth", root)
        programs = _update(stack, root, programs)
        assert "nickname" not in _columns(stack)

    assert told.failed() == {}, told.faults[:5]
    assert told.total > 100
    registered = told.outcomes["register", 201]
    _all_mails(stack, registered + 1)
    print(f"{told.total} requests, none failed, the slowest {told.slowest:.2f} s, {registered} registrations")  # noqa: T201


def _all_mails(stack: Stack, expected: int) -> None:
    """What was acknowledged was done, by whichever worker."""
    end = time.monotonic() + 60
    while len(stack.mailbox.mails) < expected and time.monotonic() < end:
        time.sleep(0.1)
    assert len(stack.mailbox.mails) == expected
