"""A tree of what happened and when, for whoever wants to look at it. It holds no value that was passed anywhere."""

from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, Self, override

from layerline.flow import stack
from layerline.flow.layers import Layer
from layerline.flow.stack import Frame
from layerline.flow.words import Narrator, is_failure, place, title

if TYPE_CHECKING:
    from collections.abc import Iterator

REFUSED: Final = "refused"
# A request that runs more than this is recorded up to here: nobody reads on, and it must fit into memory.
MOST_NODES: Final = 5_000


@dataclass(slots=True)
class Node:
    """One thing that happened.

    Args:
        kind: A layer, or one of the kinds of `words`.
        name: What it is called.
        start: Milliseconds since the recording began.
        took: Milliseconds; 0 for what is a moment.
        detail: A word about it, such as `hit` or `miss`.
        error: The class of the exception that left it, with its code if it has one, or `refused`.
        place: Where that exception was raised.
        module: Where the code of a layer stands.
    """

    kind: str
    name: str
    start: float
    took: float = 0.0
    detail: str = ""
    error: str = ""
    place: str = ""
    module: str = ""
    children: "list[Node]" = field(default_factory=list)

    def walk(self, depth: int = 0) -> "Iterator[tuple[int, Node]]":
        """Yield this node and all below it with their depth; a chain of middleware is one level."""
        yield depth, self
        below = depth if self.kind == Layer.MIDDLEWARE else depth + 1
        for child in self.children:
            yield from child.walk(below)

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "name": self.name,
            "start": self.start,
            "took": self.took,
            "detail": self.detail,
            "error": self.error,
            "place": self.place,
            "module": self.module,
            "children": [child.as_json() for child in self.children],
        }

    @classmethod
    def from_json(cls, node: dict[str, Any]) -> Self:
        return cls(**{**node, "children": [cls.from_json(child) for child in node["children"]]})


class Recorder(Narrator):
    """Builds the tree from where it is installed to where it is uninstalled.

    Args:
        most: How many nodes are kept; the others are counted.
    """

    def __init__(self, most: int = MOST_NODES) -> None:
        self.roots: list[Node] = []
        self.omitted = 0
        # Rises with everything that happens, for whoever waits until nothing does.
        self.events = 0
        self._most = most
        self._count = 0
        self._nodes: dict[int, Node] = {}
        # An id is free for another frame once its own is gone, so they are kept.
        self._frames: list[Frame] = []
        self._began = perf_counter()

    def begin(self) -> None:
        """Count time from now on, and forget what was before."""
        self.take()
        self._began = perf_counter()

    def take(self) -> list[Node]:
        """Return the trees so far; what comes next begins trees of its own."""
        roots, self.roots = self.roots, []
        return roots

    def elapsed(self) -> float:
        """Return the milliseconds since the beginning."""
        return (perf_counter() - self._began) * 1_000

    def running(self) -> bool:
        """Tell whether a layer was entered and not left."""
        return any(not frame.left for frame in self._frames)

    @override
    def entered(self, frame: Frame) -> None:
        node = Node(str(frame.layer), frame.name, self.elapsed(), detail=frame.detail, module=frame.module)
        if self._attach(node, frame.outer):
            self._nodes[id(frame)] = node
            self._frames.append(frame)

    @override
    def left(self, frame: Frame) -> None:
        self.events += 1
        node = self._nodes.get(id(frame))
        if node is None:
            return
        node.took = self.elapsed() - node.start
        if frame.error is not None and is_failure(frame.error):
            node.error = title(frame.error)
            passed_through = any(child.error == node.error for child in node.children)
            node.place = "" if passed_through else place(frame.error)
        elif frame.refused:
            node.error = REFUSED

    @override
    def handled(self, error: BaseException) -> None:
        frame = stack.current()
        node = self._nodes.get(id(frame)) if frame else None
        # Raised by the view itself, unless it came out of a layer below or puts a refusal into words.
        is_own = not any(frame.error is error for frame in self._frames)
        if node is not None and is_own and not (node.children and node.children[-1].error):
            node.error, node.place = title(error), place(error)
        super().handled(error)

    @override
    def tell(self, kind: str, name: str, started: float | None = None, *, detail: str = "", error: str = "") -> None:
        now = self.elapsed()
        start = now if started is None else (started - self._began) * 1_000
        self._attach(Node(kind, name, start, now - start, detail, error), stack.current())

    def _attach(self, node: Node, frame: Frame | None) -> bool:
        self.events += 1
        self._count += 1
        if self._count > self._most:
            self.omitted += 1
            return False
        for around in frame.outwards() if frame else ():
            parent = self._nodes.get(id(around))
            if parent is not None:
                parent.children.append(node)
                return True
        self.roots.append(node)
        return True
