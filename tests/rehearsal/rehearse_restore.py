"""A backup that is taken while people use the service, and brought back into an empty database."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from layerline.devstack import binaries
from tests.infrastructure.queue.servers import wait_until
from tests.rehearsal.load import load
from tests.rehearsal.stack import Stack, deployment, nginx

pytestmark = pytest.mark.timeout(300)

_PASSWORD = "correct horse battery"


@pytest.fixture
def stacks(django_db_setup: None, tmp_path: Path) -> Iterator[tuple[Stack, Stack]]:
    """The deployment that is lost, and the empty one in its place with the same secrets."""
    nginx()
    (tmp_path / "lost").mkdir()
    (tmp_path / "new").mkdir()
    with deployment(tmp_path / "lost") as lost:
        kept = ("SECRET_KEY", "JWT_KEYS", "FIELD_ENCRYPTION_KEYS")
        with deployment(tmp_path / "new", **{name: lost.environment[name] for name in kept}) as new:
            yield lost, new


def _dump(stack: Stack, file: Path) -> None:
    command = [str(binaries.postgres("pg_dump")), "--format=custom", "--no-owner", f"--file={file}"]
    subprocess.run([*command, stack.environment["DATABASE_URL"]], check=True)


def _restore(stack: Stack, file: Path) -> None:
    command = [str(binaries.postgres("pg_restore")), "--no-owner", "--exit-on-error", "--single-transaction"]
    subprocess.run([*command, f"--dbname={stack.environment['DATABASE_URL']}", str(file)], check=True)


def test_everybody_is_back_with_a_restored_database(stacks: tuple[Stack, Stack], tmp_path: Path) -> None:
    lost, new = stacks
    lost.migrate()
    web = lost.start("web")
    lost.serve(web=[web], sockets=[web])
    account = {"email": "ada@rehearsal.test", "name": "Ada", "password": _PASSWORD, "phone": "+442079460000"}
    assert lost.send("POST", "/api/v1/auth/register/", json=account).status_code == 201
    login = {"email": account["email"], "password": _PASSWORD}
    tokens = lost.send("POST", "/api/v1/auth/login/", json=login).json()
    headers = {"Authorization": f"Bearer {tokens['access']}"}

    with load(me=lambda: lost.get("/api/v1/auth/me/", headers=headers).status_code) as told:
        _dump(lost, tmp_path / "backup")
    lost.stop()
    assert set(told.outcomes) <= {("me", 200), ("me", 429)}

    # A Redis that knows nothing of it, either.
    _restore(new, tmp_path / "backup")
    new.migrate()
    web = new.start("web")
    new.start("worker")
    new.start("beat")
    new.serve(web=[web], sockets=[web])

    # Nobody has to sign in again, what was encrypted can be read, and what was promised is still sent.
    me = new.get("/api/v1/auth/me/", headers=headers)
    assert (me.status_code, me.json()["phone"]) == (200, account["phone"])
    assert new.send("POST", "/api/v1/auth/refresh/", json={"refresh": tokens["refresh"]}).status_code == 200
    assert new.send("POST", "/api/v1/auth/login/", json=login).status_code == 200
    assert new.get("/health/ready/").json() == {"status": "ok"}
    with psycopg.connect(new.environment["DATABASE_URL"]) as database:
        assert database.execute("SELECT count(*) FROM users").fetchone() == (1,)
        # No worker ran where the account was opened. The broker's copy is lost with it: after three minutes, which are
        # over by the time anybody restores anything, the job is published again.
        database.execute("UPDATE outbox SET published_at = published_at - interval '5 minutes'")
    wait_until(lambda: new.mailbox.mails, seconds=30)
    assert [mail["To"] for mail in new.mailbox.mails] == ["ada@rehearsal.test"]
