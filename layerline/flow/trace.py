"""One request, task or socket through the real stack in this process, recorded."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from django.core.servers.basehttp import get_internal_wsgi_application
from django.db import DatabaseError, DataError, connection, transaction
from django.test import RequestFactory
from psycopg_pool import PoolTimeout

from infrastructure.queue import jobs, outbox
from layerline.flow import instrument, messages, sockets
from layerline.flow.layers import Layer
from layerline.flow.messages import Message
from layerline.flow.recorder import Node, Recorder
from layerline.flow.words import REDIS, SQL

SOCKET: Final = "WS"
TASK: Final = "TASK"
_WORK: Final = {Layer.TASK, Layer.JOB}


class PayloadError(ValueError):
    """The arguments of a job cannot be stored."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What was sent, what became of it, and its way.

    Args:
        method: A verb of HTTP, `WS` or `TASK`.
        path: With its query string; for a task its name.
        actor: Whoever it was sent as, for the reader.
        status: Code and phrase, such as `201 Created`; for a task `done` or `failed`.
        size: The bytes of the answer.
        took: Milliseconds until the answer.
        tree: The way of the request, or of the socket until it was open.
        tasks: One tree for each task that ran afterwards.
        frames: One tree for each frame: those that a request sent to sockets, or those of the traced socket.
        request_id: What the answer says it is.
    """

    method: str
    path: str
    actor: str
    status: str
    size: int
    took: float
    tree: list[Node]
    tasks: list[Node] = field(default_factory=list)
    frames: list[Node] = field(default_factory=list)
    request_id: str = ""

    @property
    def failed(self) -> bool:
        code = self.status.partition(" ")[0]
        if code.isdecimal():
            return int(code) >= HTTPStatus.BAD_REQUEST
        return bool(self.status) and self.status not in {"done", "open"}

    def as_json(self) -> dict[str, Any]:
        """Return the trace for programs; times are milliseconds, counted from the beginning."""
        code = self.status.partition(" ")[0]
        return {
            "method": self.method,
            "path": self.path,
            "as": self.actor or None,
            "status": int(code) if code.isdecimal() else code,
            "bytes": self.size,
            "milliseconds": self.took,
            "request_id": self.request_id or None,
            "sql": totals(self.tree, SQL),
            "redis": totals(self.tree, REDIS),
            "tree": [node.as_json() for node in self.tree],
            "tasks": [node.as_json() for node in self.tasks],
            "frames": [node.as_json() for node in self.frames],
        }


def totals(nodes: list[Node], kind: str) -> dict[str, Any]:
    """Return how many nodes of a kind there are, and their milliseconds together."""
    took = [node.took for root in nodes for _, node in root.walk() if node.kind == kind]
    return {"count": len(took), "milliseconds": sum(took)}


def trace(  # noqa: PLR0913  # a request has as many parts
    method: str, path: str, *, body: bytes, headers: Mapping[str, str], actor: str, run_tasks: bool = True
) -> Trace:
    """Send a request to the project's own WSGI application and record its way.

    Args:
        method: The verb.
        path: With its query string.
        body: JSON, or nothing.
        headers: What the request carries besides.
        actor: Whoever it is sent as, for the reader.
        run_tasks: Keep what it queues from the broker, and run it here after the answer. Otherwise it goes to the
            broker, and to the worker that listens there.
    """
    request = RequestFactory(SERVER_NAME="localhost").generic(
        method, path, body, content_type="application/json", headers=dict(headers)
    )
    answered: list[tuple[str, str]] = []

    def start_response(status: str, fields: Any, _exc_info: Any = None) -> Any:
        answered.append((status, dict(fields).get("X-Request-ID", "")))

    recorder = Recorder()
    with instrument.installed(recorder), _kept(run_tasks=run_tasks) as queued:
        application = get_internal_wsgi_application()
        _connect()
        recorder.begin()
        answer: Any = application(request.environ, start_response)
        try:
            size = sum(len(part) for part in answer)
            took = recorder.elapsed()
        finally:
            answer.close()
        tree = recorder.take()
        tasks = _run(queued, recorder)
    status, request_id = answered[-1]
    return Trace(method, path, actor, status, size, took, tree, tasks, frames_of([*tree, *tasks]), request_id)


def trace_task(name: str, payload: Mapping[str, Any]) -> Trace:
    """Run a task as a worker would, and record its way; a job is recorded in the outbox first.

    Args:
        name: One of `messages.task_names()`.
        payload: Its keyword arguments.

    Raises:
        PayloadError: If the outbox does not take them.
    """
    recorder = Recorder()
    with instrument.installed(recorder), messages.kept() as queued:
        if name in jobs.names():
            _record(name, payload)
        else:
            queued.append(Message("traced", name, [], payload))
            _connect()
        recorder.begin()
        tasks = _run(queued, recorder)
        took = tasks[0].took if tasks else 0.0
    failed = any(node.error for root in tasks for _, node in root.walk() if node.kind in _WORK)
    return Trace(TASK, name, "", "failed" if failed else "done", 0, took, [], tasks, frames_of(tasks))


def trace_socket(
    path: str, *, texts: list[str], headers: Mapping[str, str], actor: str, run_tasks: bool = True
) -> Trace:
    """Open a socket to the project's own ASGI application, send it frames, close it, and record its way.

    Args:
        path: With its query string.
        texts: The frames, which are sent one after the other, each when the one before is dealt with.
        headers: Those of the handshake.
        actor: Whoever it is opened as, for the reader.
        run_tasks: As for a request.
    """
    recorder = Recorder()
    with instrument.installed(recorder), _kept(run_tasks=run_tasks) as queued:
        _connect()
        outcome = sockets.talk(path, texts=texts, headers=headers, recorder=recorder)
        roots = recorder.take()
        tasks = _run(queued, recorder)
    # What a process does beside its sockets, for all of them or behind one that is closed, is no part of its frames.
    tree, frames = (
        [root for root in part if root.kind == Layer.CONSUMER]
        for part in (roots[: outcome.opening], roots[outcome.opening :])
    )
    # What a frame told other sockets is a part of that frame; what a task told them is a frame of its own.
    return Trace(
        SOCKET, path, actor, outcome.status, outcome.size, outcome.took, tree, tasks, [*frames, *frames_of(tasks)]
    )


def _connect() -> None:
    """Open the first connection to the database before the clock runs: a server that serves has done so long ago."""
    # Away is what the trace is to show, then.
    with suppress(DatabaseError, PoolTimeout):
        connection.ensure_connection()


def _kept(*, run_tasks: bool) -> AbstractContextManager[list[Message]]:
    return messages.kept() if run_tasks else nullcontext([])


def _record(name: str, payload: Mapping[str, Any]) -> None:
    try:
        with transaction.atomic():
            outbox.enqueue(name, payload)
    except (TypeError, ValueError, DataError) as error:
        raise PayloadError(str(error).partition("\n")[0]) from error


def frames_of(roots: list[Node]) -> list[Node]:
    """Return what left for sockets through the channel layer."""
    return [node for root in roots for _, node in root.walk() if node.kind == Layer.CHANNEL]


def _run(queued: list[Message], recorder: Recorder) -> list[Node]:
    """Run what was queued, and return a tree for each."""
    tasks = []
    for message in messages.run_all(queued):
        roots = recorder.take()
        for root in roots:
            if message.name in jobs.names() and not _holds_job(root):
                root.detail = "there was nothing left to do: a worker had it first"
        tasks += roots
    return tasks


def _holds_job(root: Node) -> bool:
    return any(node.kind == Layer.JOB for _, node in root.walk())
