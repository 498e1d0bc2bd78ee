"""Records what the programs of `make run` serve, for /dev/flows/.

It may cost a local request a little, and must never break one: whatever goes wrong in here ends that one recording, and
files are written by a thread, which lets go what comes faster than it can write.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from queue import Full, Queue
from threading import Lock, Thread
from typing import Any, Final, override

import structlog
from celery.signals import task_postrun, task_prerun
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from layerline.devpages import flows
from layerline.devpages.flows import Flow
from layerline.flow import instrument
from layerline.flow.layers import Layer
from layerline.flow.recorder import Node, Recorder
from layerline.flow.stack import Frame, Observer
from layerline.flow.trace import frames_of, totals
from layerline.flow.words import REDIS, SQL, verb

# A request of more is kept up to here, so that its file stays below a megabyte.
MOST_NODES: Final = 2_000
_WAITING: Final = 50
_NAME_LENGTH: Final = 200
_QUERY_NAME: Final = re.compile(r"([A-Za-z][\w.-]{0,39})=")

log = structlog.get_logger("layerline.flows")


class Writer:
    """Runs what it is given in a thread, one after the other; what is too much is dropped."""

    def __init__(self) -> None:
        self._process = 0
        self._waiting: Queue[Callable[[], None]] = Queue(_WAITING)

    def put(self, write: Callable[[], None]) -> None:
        if self._process != os.getpid():
            # A thread does not come along when a worker forks its processes.
            self._process, self._waiting = os.getpid(), Queue(_WAITING)
            Thread(target=self._write, args=[self._waiting], name="flows", daemon=True).start()
        with suppress(Full):
            self._waiting.put_nowait(write)

    def drain(self) -> None:
        """Wait until everything is written."""
        self._waiting.join()

    def _write(self, waiting: Queue[Callable[[], None]]) -> None:
        while True:
            with _harmless():
                waiting.get()()
            waiting.task_done()


@dataclass(slots=True)
class _Open:
    """A recording that goes on.

    Args:
        opener: What began it, and will end it.
        context: The words that log lines of this work carry, such as the request's id.
    """

    opener: object
    recorder: Recorder = field(default_factory=lambda: Recorder(MOST_NODES))
    context: dict[str, Any] = field(default_factory=dict)


class Recording(Observer):
    """Gives each request, each task and each event of a socket a recorder of its own, and stores what it saw."""

    def __init__(self) -> None:
        self.writer = Writer()
        self._open: ContextVar[_Open | None] = ContextVar("layerline_flow", default=None)

    def begin(self) -> None:
        instrument.install(self)
        task_prerun.connect(self._task_begins)
        task_postrun.connect(self._task_ends)

    def end(self) -> None:
        task_prerun.disconnect(self._task_begins)
        task_postrun.disconnect(self._task_ends)
        instrument.uninstall(self)

    @override
    def asked(self, request: HttpRequest) -> None:
        self._open.set(_Open(request))

    @override
    def answered(self, request: HttpRequest, response: HttpResponseBase | None) -> None:
        opened = self._closed(request)
        # The pages that show flows, and their start page's look at the services, would soon be all there is.
        if opened is None or request.path.startswith("/dev/"):
            return
        with _harmless():
            self._keep(
                opened,
                kind=flows.REQUEST,
                method=verb(request),
                name=_address(request),
                status=str(response.status_code) if response else "failed",
                request_id=response.headers.get("X-Request-ID", "") if response else "",
                context=structlog.contextvars.get_contextvars(),
            )

    @override
    def entered(self, frame: Frame) -> None:
        opened = self._open.get()
        if opened is None and frame.layer is Layer.CONSUMER:
            opened = _Open(frame)
            self._open.set(opened)
        if opened is None:
            return
        if frame.layer is Layer.JOB:
            # Whoever runs jobs binds them while one runs, and for no longer.
            opened.context = structlog.contextvars.get_contextvars()
        with _harmless():
            opened.recorder.entered(frame)

    @override
    def left(self, frame: Frame) -> None:
        with self._recorder() as recorder:
            recorder.left(frame)
        if frame.layer is not Layer.CONSUMER:
            return
        opened = self._closed(frame)
        if opened is not None:
            with _harmless():
                name = " ".join(filter(None, [frame.name, frame.detail]))
                context = structlog.contextvars.get_contextvars()
                self._keep(opened, kind=flows.FRAME, method="WS", name=name, context=context)

    @override
    def statement(self, sql: str, started: float, error: BaseException | None) -> None:
        with self._recorder() as recorder:
            recorder.statement(sql, started, error)

    @override
    def command(self, name: str, keys: str, result: Any, started: float, error: BaseException | None) -> None:
        with self._recorder() as recorder:
            recorder.command(name, keys, result, started, error)

    @override
    def transaction(self, step: str) -> None:
        with self._recorder() as recorder:
            recorder.transaction(step)

    @override
    def queued(self, name: str) -> None:
        with self._recorder() as recorder:
            recorder.queued(name)

    @override
    def side_effect(self, what: str, *, in_transaction: bool) -> None:
        with self._recorder() as recorder:
            recorder.side_effect(what, in_transaction=in_transaction)

    @override
    def handled(self, error: BaseException) -> None:
        with self._recorder() as recorder:
            recorder.handled(error)

    @override
    def sent(self, name: str, detail: str) -> None:
        with self._recorder() as recorder:
            recorder.sent(name, detail)

    def _task_begins(self, task_id: str, **_: Any) -> None:
        if self._open.get() is None:
            self._open.set(_Open(task_id))

    def _task_ends(self, task_id: str, task: Any, **_: Any) -> None:
        opened = self._closed(task_id)
        # What beat sends every few seconds belongs to no request, and would soon be all there is.
        if opened is not None and opened.context.get("request_id"):
            with _harmless():
                self._keep(opened, kind=flows.TASK, method="TASK", name=task.name, context=opened.context)

    def _closed(self, opener: object) -> _Open | None:
        """End the recording that somebody began, and return it; None if it is somebody else's or was broken off."""
        opened = self._open.get()
        if opened is None or opened.opener is not opener:
            return None
        self._open.set(None)
        return opened

    @contextmanager
    def _recorder(self) -> Iterator[Recorder]:
        """Give the recorder of the running piece of work, or one that nobody looks at."""
        opened = self._open.get()
        with _harmless():
            yield opened.recorder if opened is not None else Recorder(0)

    def _keep(  # noqa: PLR0913  # a flow has as many parts
        self,
        opened: _Open,
        *,
        kind: str,
        method: str,
        name: str,
        context: dict[str, Any],
        status: str = "",
        request_id: str = "",
    ) -> None:
        took, tree = opened.recorder.elapsed(), opened.recorder.take()

        def write() -> None:
            flow = Flow(
                kind=kind,
                method=method,
                name=name[:_NAME_LENGTH],
                status=status or _outcome(tree),
                milliseconds=round(took, 2),
                request_id=request_id or str(context.get("request_id") or ""),
                user_id=str(context.get("user_id") or ""),
                sql=totals(tree, SQL)["count"],
                redis=totals(tree, REDIS)["count"],
                frames=len(frames_of(tree)),
            )
            flows.store(flow, [node.as_json() for node in tree])

        self.writer.put(write)


def _outcome(tree: list[Node]) -> str:
    """Tell how a task or an event of a socket ended."""
    doors = {Layer.TASK, Layer.JOB, Layer.CONSUMER}
    failed = any(node.error for root in tree for _, node in root.walk() if node.kind in doors)
    return "failed" if failed else "done"


def _address(request: HttpRequest) -> str:
    """Return the path, and the names in the query without their values."""
    names = _QUERY_NAME.findall(request.META.get("QUERY_STRING", ""))
    return request.path + ("?" + "&".join(f"{name}=…" for name in dict.fromkeys(names)) if names else "")


@contextmanager
def _harmless() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001  # as the head of this module says
        log.warning("flow_not_recorded", error=type(error).__name__)


_recording: Final = Recording()
_lock: Final = Lock()
_begun: Final[list[int]] = []


def start() -> None:
    """Record from now on in this process; once is enough."""
    with _lock:
        if os.getpid() not in _begun:
            _begun.append(os.getpid())
            _recording.begin()
