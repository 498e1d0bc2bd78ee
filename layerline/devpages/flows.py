"""The last requests, tasks and frames of this machine, each as a file.

Files and not Redis: the web process writes them and the worker too, they outlive both, nothing is added to the Redis
commands that somebody wants to look at, and they can be read when Redis is what fails. A file holds a line for the list
and a line with the tree, so that the list need not read trees. Of each kind the newest are kept: 200 files of some
20 KB.
"""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Self

from django.conf import settings

from layerline.devpages.folder import Folder, stored_at

KEPT: Final = 200
SUFFIX: Final = ".json"
REQUEST: Final = "request"
TASK: Final = "task"
FRAME: Final = "frame"
KINDS: Final = (REQUEST, TASK, FRAME)
# A ring is cut when it is this much too long, and not at every write.
_SLACK: Final = 20
_CLASS: Final = re.compile(r"[1-5]xx")


class FlowNotFoundError(Exception):
    """No flow is stored under this id, or no longer."""


@dataclass(frozen=True, slots=True)
class Flow:
    """What the list shows of one piece of work; it names nobody but by his id, and holds no value.

    Args:
        kind: `request`, `task` or `frame`.
        method: A verb, `TASK` or `WS`.
        name: The path with the names of its query; for a task or a frame what it is called.
        status: Of an answer; else `done` or `failed`.
        request_id: What the pieces of work of one request have in common.
        user_id: Whoever was signed in.
    """

    kind: str
    method: str
    name: str
    status: str
    milliseconds: float
    request_id: str = ""
    user_id: str = ""
    sql: int = 0
    redis: int = 0
    frames: int = 0
    id: str = ""

    @property
    def at(self) -> datetime:
        return stored_at(self.id)

    @property
    def failed(self) -> bool:
        return self.status == "failed" or (self.status.isdecimal() and int(self.status) >= HTTPStatus.BAD_REQUEST)

    @classmethod
    def from_line(cls, flow_id: str, line: bytes) -> Self:
        """Read the first line of a file.

        Raises:
            ValueError, TypeError: If it is none that was written here.
        """
        written = json.loads(line)
        if not isinstance(written, dict):
            raise TypeError(type(written).__name__)
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in written.items() if name in known} | {"id": flow_id})

    def matches(self, query: str) -> bool:
        """Tell whether this is looked for: by the beginning of an id, a status or its class, or a part of the path."""
        if _CLASS.fullmatch(query):
            return self.status.startswith(query[0]) and self.status.isdecimal()
        return (
            query == self.status
            or self.request_id.startswith(query)
            or self.user_id.startswith(query)
            or query.lower() in self.name.lower()
        )


def store(flow: Flow, tree: list[dict[str, Any]]) -> None:
    """Write a flow, and remove those that are too many.

    Raises:
        OSError: If it cannot be written.
    """
    summary = {name: value for name, value in asdict(flow).items() if name != "id"}
    folder = _folder(flow.kind)
    folder.store(b"\n".join(json.dumps(part, separators=(",", ":")).encode() for part in (summary, tree)))
    if sum(1 for _ in folder.ids()) > KEPT + _SLACK:
        folder.keep(KEPT)


def latest(kind: str, query: str = "") -> list[Flow]:
    """Return the newest flows of a kind first, those alone that match."""
    return [flow for flow in _flows(kind) if not query or flow.matches(query)]


def of_request(kind: str, request_id: str) -> list[Flow]:
    """Return the flows of a kind that belong to one request, the oldest first."""
    return [flow for flow in _flows(kind) if request_id and flow.request_id == request_id][::-1]


def read(flow_id: str) -> tuple[Flow, list[dict[str, Any]]]:
    """Return a flow with its tree.

    Args:
        flow_id: Has the form of ID_PATTERN, so that it can name nothing outside of the folders.

    Raises:
        FlowNotFoundError: If there is no such file, or none that can be read.
    """
    for kind in KINDS:
        with suppress(OSError, ValueError, TypeError):
            line, _, tree = _folder(kind).path_of(flow_id).read_bytes().partition(b"\n")
            return Flow.from_line(flow_id, line), json.loads(tree)
    raise FlowNotFoundError(flow_id)


def delete_all() -> None:
    """Remove every flow.

    Raises:
        OSError: If a file is there and cannot be removed.
    """
    for kind in KINDS:
        _folder(kind).keep(0)


def _flows(kind: str) -> Iterator[Flow]:
    folder = _folder(kind)
    for flow_id in folder.newest()[:KEPT]:
        # Another process may remove it meanwhile.
        with suppress(OSError, ValueError, TypeError), folder.path_of(flow_id).open("rb") as file:
            yield Flow.from_line(flow_id, file.readline())


def _folder(kind: str) -> Folder:
    return Folder(Path(settings.FLOWS_DIR) / kind, SUFFIX)  # type: ignore[misc]  # a setting of local use only
