"""A tree of what happened and when, for whoever wants to look at it. It holds no value that was passed anywhere."""

import re
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, override

from layerline.flow import stack
from layerline.flow.layers import Layer
from layerline.flow.stack import Frame, Observer
from layerline.flow.statements import is_control, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

SQL: Final = "sql"
REDIS: Final = "redis"
TRANSACTION: Final = "transaction"
QUEUED: Final = "queued"
SIDE_EFFECT: Final = "leaves"

ERROR: Final = "error"

_SHOWN_KEY: Final = 80
_READS: Final = {"GET", "MGET", "HGET", "HMGET", "GETEX"}
_SCRIPTS: Final = {"EVAL", "EVALSHA"}
_DIGEST: Final = re.compile(r"[0-9a-f]{16,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(slots=True)
class Node:
    """One thing that happened.

    Args:
        kind: A layer, or `sql`, `redis`, `transaction`, `queued`, `leaves` or `error`.
        name: What it is called.
        start: Milliseconds since the recording began.
        took: Milliseconds; 0 for what is a moment.
        detail: A word about it, such as `hit` or `miss`.
        error: The class of the exception that left it, with its code if it has one.
        place: Where that exception was raised.
    """

    kind: str
    name: str
    start: float
    took: float = 0.0
    detail: str = ""
    error: str = ""
    place: str = ""
    children: "list[Node]" = field(default_factory=list)

    def walk(self, depth: int = 0) -> "Iterator[tuple[int, Node]]":
        """Yield this node and all below it with their depth; a chain of middleware is one level."""
        yield depth, self
        below = depth if self.kind == Layer.MIDDLEWARE else depth + 1
        for child in self.children:
            yield from child.walk(below)


class Recorder(Observer):
    """Builds the tree from where it is installed to where it is uninstalled."""

    def __init__(self) -> None:
        self.roots: list[Node] = []
        self._nodes: dict[int, Node] = {}
        # An id is free for another frame once its own is gone, so they are kept.
        self._frames: list[Frame] = []
        self._began = perf_counter()

    def begin(self) -> None:
        """Count time from now on, and forget what was before."""
        self.roots.clear()
        self._began = perf_counter()

    def elapsed(self) -> float:
        """Return the milliseconds since the beginning."""
        return (perf_counter() - self._began) * 1_000

    def nodes(self) -> list[tuple[int, Node]]:
        """Return all nodes in order, with their depths."""
        return [pair for root in self.roots for pair in root.walk()]

    @override
    def entered(self, frame: Frame) -> None:
        node = Node(str(frame.layer), frame.name, self.elapsed())
        self._attach(node, frame.outer)
        self._nodes[id(frame)] = node
        self._frames.append(frame)

    @override
    def left(self, frame: Frame) -> None:
        node = self._nodes.get(id(frame))
        if node is None:
            return
        node.took = self.elapsed() - node.start
        if frame.error is not None:
            node.error = _title(frame.error)
            passed_through = any(child.error == node.error for child in node.children)
            node.place = "" if passed_through else _place(frame.error)

    @override
    def statement(self, sql: str, started: float, error: BaseException | None) -> None:
        if not is_control(sql):
            self._leaf(SQL, shortened(sql), started, error=type(error).__name__ if error else "")

    @override
    def command(self, name: str, keys: str, result: Any, started: float) -> None:
        # What a script means by numbers only the script knows.
        is_read = name in _READS or (name in _SCRIPTS and isinstance(result, bytes | None))
        detail = _outcome(result) if is_read else ""
        self._leaf(REDIS, f"{name} {_key(keys)}".strip(), started, detail=detail)

    @override
    def transaction(self, step: str) -> None:
        self._leaf(TRANSACTION, step)

    @override
    def queued(self, name: str) -> None:
        self._leaf(QUEUED, name, detail="for the commit")

    @override
    def side_effect(self, what: str, *, in_transaction: bool) -> None:
        self._leaf(SIDE_EFFECT, what, detail="inside the transaction" if in_transaction else "")

    @override
    def handled(self, error: BaseException) -> None:
        self._leaf(ERROR, _title(error), detail=_place(error))

    def _leaf(self, kind: str, name: str, started: float | None = None, *, detail: str = "", error: str = "") -> None:
        now = self.elapsed()
        start = now if started is None else (started - self._began) * 1_000
        self._attach(Node(kind, name, start, now - start, detail, error), stack.current())

    def _attach(self, node: Node, frame: Frame | None) -> None:
        for around in frame.outwards() if frame else ():
            parent = self._nodes.get(id(around))
            if parent is not None:
                parent.children.append(node)
                return
        self.roots.append(node)


def _outcome(result: Any) -> str:
    """Tell a hit from a miss."""
    values = result if isinstance(result, list) else [result]
    found = sum(value is not None for value in values)
    if found in {0, len(values)}:
        return "hit" if found else "miss"
    return f"{found} hits of {len(values)}"


def _key(text: str) -> str:
    """Return a key for the eye: long random parts tell nothing, and may be somebody's token."""
    short = _DIGEST.sub(_first_letters, text)
    return short if len(short) <= _SHOWN_KEY else f"{short[: _SHOWN_KEY - 1]}…"


def _first_letters(match: re.Match[str]) -> str:
    return f"{match[0][:8]}…"


def _title(error: BaseException) -> str:
    """Return the class and the code: the text of an exception may hold what must not be shown."""
    code = getattr(error, "code", None) or getattr(error, "default_code", None)
    return f"{type(error).__name__} ({code})" if isinstance(code, str) else type(error).__name__


def _place(error: BaseException) -> str:
    """Return file and line of the innermost code of the project that the exception came through."""
    found = ""
    here = Path(__file__).parent
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        if path.is_relative_to(Path.cwd()) and "site-packages" not in path.parts and here not in path.parents:
            found = f"{path.relative_to(Path.cwd())}:{frame.lineno}"
    return found
