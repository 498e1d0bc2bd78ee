"""What the tests of this slice share: a Redis that is away, rows as they stand, jobs and links."""

import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from celery import current_app
from django.core import mail
from django.db import connections
from uuid6 import uuid7

from apps.common.enums import Role
from apps.common.tests.races import PATIENCE, redis_at
from apps.users.enums import LinkPurpose
from apps.users.exceptions import TokenReusedError
from apps.users.models import User
from apps.users.services import LinkService, SessionService, UserService
from apps.users.tests.factories import PASSWORD, AdminFactory
from apps.users.types import Credentials
from infrastructure import redis
from infrastructure.queue.models import OutboxRow, OutboxState

if TYPE_CHECKING:
    from conftest import AuthenticatedClient

type Client = AuthenticatedClient
type SignIn = Callable[[Role | User], AuthenticatedClient]


def waiting_for_locks() -> int:
    """Return how many connections of this database wait for a lock of another one."""
    with connections["default"].cursor() as cursor:
        # A transaction sees the first look at it again.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        (count,) = cursor.fetchone()
    return int(count)


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until the condition is true.

    Raises:
        AssertionError: If it was false all the time.
    """
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def unused_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def redis_refusing() -> Iterator[None]:
    """Redis is not running: the connection is refused at once."""
    with redis_at(f"redis://127.0.0.1:{unused_port()}/0"):
        yield


@contextmanager
def redis_hanging() -> Iterator[None]:
    """Redis is frozen: it takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server, redis_at(f"redis://127.0.0.1:{server.getsockname()[1]}/0"):
        yield


def signed_in(user: User) -> Credentials:
    """Return the credentials of a login, which is complete for want of a second factor."""
    credentials = UserService.login(email=user.email, password=PASSWORD)
    assert isinstance(credentials, Credentials)
    return credentials


def row(user_id: UUID) -> dict[str, Any]:
    """Return every column of an account, to be compared before and after."""
    return dict(User.objects.values().get(pk=user_id))


def problem(response: Any) -> tuple[int, str]:
    """Return the status and the code of an answer, which must be a problem document."""
    body = response.json()
    assert response.headers["Content-Type"] == "application/problem+json"
    assert body["status"] == response.status_code
    assert body["type"] == f"/api/problems/#{body['code']}"
    return response.status_code, body["code"]


def wrong_fields(response: Any) -> dict[str, str]:
    """Return the code of each field that a 400 names."""
    assert problem(response) == (400, "validation_error")
    return {error["field"]: error["code"] for error in response.json()["errors"]}


def run_jobs() -> None:
    """Do what a worker would: run each job that waits, the first recorded first."""
    current_app.loader.import_default_modules()
    waiting = OutboxRow.objects.filter(state__in=(OutboxState.PENDING, OutboxState.PUBLISHED)).order_by("id")
    for job in waiting:
        current_app.tasks[job.name](str(job.pk))


def link_in(message: Any) -> str:
    """Return the one link of a mail, which stands in its text and in its HTML."""
    links = [re.findall(r"https?://[^\s\"<]+", part) for part in (message.body, message.alternatives[0][0])]
    (link,) = {*links[0], *links[1]}
    assert all(links)
    return str(link)


def link_token(user_id: UUID, purpose: LinkPurpose) -> str:
    """Return the token that a mail of this moment would hold; an empty text if none would be sent."""
    sent = LinkService.for_mail(purpose=purpose, user_id=user_id, job_id=uuid7())
    return sent.link.partition("#token=")[2] if sent else ""


def mailed_token(email: str) -> str:
    """Run what waits, and return the token of the link that was last mailed to the address."""
    run_jobs()
    message = [message for message in mail.outbox if message.to == [email]][-1]
    return link_in(message).partition("#token=")[2]


def redis_contents() -> dict[str, bytes]:
    """Return every text entry under this process's prefix, by its key."""
    client: Any = redis.client()
    names = [name for name in client.scan_iter(match=f"{redis.key()}*", count=1_000) if client.type(name) == b"string"]
    return {name.decode(): client.get(name) for name in names}


@contextmanager
def redis_commands() -> Iterator[list[str]]:
    """Collect the names of the commands that this process sends to Redis inside the block, one for each round trip."""
    names: list[str] = []
    last = redis.key("the", "last", "command")
    with redis.client().monitor() as monitor:  # type: ignore[no-untyped-call]  # redis-py's
        yield names
        redis.client().get(last)
        for told in iter(monitor.next_command, None):
            name, _, arguments = told["command"].partition(" ")
            if arguments == last:
                return
            # A script's own commands are no round trips, and other processes have another prefix.
            if told["client_type"] != "lua" and redis.key("") in arguments:
                names.append(name)


def _end_one(credentials: Credentials) -> None:
    bearer = SessionService.admit(access=credentials.access, limits_of=lambda _: ()).bearer
    SessionService.end(user_id=bearer.user_id, session_id=bearer.session_id)


def _end_all(credentials: Credentials) -> None:
    SessionService.logout_all(user_id=SessionService.resume(access=credentials.access).id)


def _deactivate(credentials: Credentials) -> None:
    user_id = SessionService.resume(access=credentials.access).id
    UserService.deactivate(actor=AdminFactory.create(), user_id=user_id)


def _use_twice(credentials: Credentials) -> None:
    second = SessionService.refresh(token=credentials.refresh)
    SessionService.refresh(token=second.refresh)
    with suppress(TokenReusedError):
        SessionService.refresh(token=credentials.refresh)


# Every way in which a session that somebody has credentials of is ended before its time.
ENDINGS: Final[dict[str, Callable[[Credentials], None]]] = {
    "logout": lambda credentials: SessionService.logout(token=credentials.refresh),
    "end of one": _end_one,
    "end of all": _end_all,
    "deactivation": _deactivate,
    "reuse": _use_twice,
}
