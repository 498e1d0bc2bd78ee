"""Where flows are played: a database that is made for it and dropped, and keys of Redis that only this process has."""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from django.conf import settings
from django.core.management import call_command
from django.db import connection

from infrastructure import redis
from layerline.flow import messages, trace
from layerline.flow.documents.declarations import Flow, Request
from layerline.flow.sign_in import signed_in
from layerline.flow.trace import Trace

# Any number that nobody else locks: of PostgreSQL's advisory locks of the database `postgres`.
_LOCK: Final = 0x6C617965726C696E


class StageError(Exception):
    """A flow that cannot be played here, or does not come out as declared."""


class Stage:
    """Plays flows, each on empty tables. Whoever makes one gives these tables and keys away."""

    def play(self, flow: Flow) -> Trace:
        """Send what is given and then the request of a flow.

        Raises:
            StageError: If something does not come out as declared.
        """
        call_command("flush", verbosity=0, interactive=False, inhibit_post_migrate=True)
        sweep()
        try:
            for before in flow.given:
                _send(before)
            return _send(flow.request)
        except StageError as error:
            raise StageError(f"{flow.name}: {error}") from error


@contextmanager
def built() -> Iterator[Stage]:
    """Give a stage on a new database beside the configured one, which is dropped afterwards.

    Raises:
        StageError: If the keys in Redis are not this process's own: they are thrown away.
    """
    if not settings.REDIS_KEY_PREFIX.endswith(f":{os.getpid()}"):
        raise StageError("REDIS_KEY_PREFIX does not end in the process id: keys of others would be thrown away.")
    with _turn():
        name = connection.settings_dict["NAME"]
        connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        try:
            yield Stage()
        finally:
            connection.creation.destroy_test_db(name, verbosity=0)
            sweep()


@contextmanager
def _turn() -> Iterator[None]:
    """Wait for whoever plays at this moment: all make a database of the same name."""
    with connection._nodb_cursor() as cursor:  # noqa: SLF001  # what Django makes its test databases with
        cursor.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        yield


def sweep() -> None:
    """Throw away every key of this process's prefix."""
    names = list(redis.client().scan_iter(match=f"{redis.key()}*", count=1_000))
    if names:
        redis.client().delete(*names)


def _send(request: Request) -> Trace:
    with ExitStack() as stack:
        try:
            headers = stack.enter_context(signed_in(request.actor))
        except LookupError as error:
            raise StageError(f"nobody can sign in as {request.actor}") from error
        traced = _traced(request, headers)
    if traced.status.partition(" ")[0] != request.status:
        raise StageError(f"{request.method} {request.path} came out as {traced.status} and not as {request.status}")
    return traced


def _traced(request: Request, headers: dict[str, str]) -> Trace:
    texts = request.texts
    if request.method == trace.TASK:
        if request.path not in messages.task_names():
            raise StageError(f"there is no task {request.path}")
        return trace.trace_task(request.path, json.loads("".join(texts) or "{}"))
    if request.method == trace.SOCKET:
        return trace.trace_socket(request.path, texts=list(texts), headers=headers, actor=request.actor)
    return trace.trace(request.method, request.path, body="".join(texts).encode(), headers=headers, actor=request.actor)
