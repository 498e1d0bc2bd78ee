"""A trace as a tree of text, and as a page."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.template.loader import render_to_string

from layerline.flow.layers import Layer
from layerline.flow.recorder import Node
from layerline.flow.trace import SOCKET, TASK, Trace, totals
from layerline.flow.words import ERROR, QUEUED, REDIS, SENT, SIDE_EFFECT, SQL, TRANSACTION

_BAR: Final = 24
_GROUPS: Final = {
    Layer.VIEW: "door",
    Layer.CONSUMER: "door",
    Layer.TASK: "door",
    Layer.JOB: "door",
    Layer.COMMAND: "door",
    Layer.ADMIN: "door",
    Layer.MIDDLEWARE: "middleware",
    Layer.SERVICE: "service",
    Layer.SELECTOR: "selector",
    Layer.SERIALIZER: "serializer",
    Layer.CHANNEL: "leaves",
    Layer.MAIL: "leaves",
    SIDE_EFFECT: "leaves",
    SENT: "leaves",
    Layer.ON_COMMIT: "commit",
    QUEUED: "commit",
    TRANSACTION: "commit",
    SQL: "sql",
    REDIS: "redis",
    ERROR: "error",
}
_COLOURS: Final = {
    "middleware": "2",
    "door": "36",
    "service": "32",
    "selector": "32",
    "serializer": "35",
    "sql": "34",
    "redis": "35",
    "commit": "33",
    "leaves": "33",
}
_ORDER: Final = (
    "middleware",
    "hook",
    "door",
    "service",
    "selector",
    "serializer",
    "sql",
    "redis",
    "commit",
    "leaves",
    "error",
)
_FAILED: Final = "31"
_DEEPEST: Final = 12
# A moment is still seen.
_THINNEST: Final = 0.3


@dataclass(frozen=True, slots=True)
class Row:
    """A node as the page draws it.

    Args:
        anchor: Its name on the page.
        depth: How far it is indented.
        at: Milliseconds since the section began.
        left: Where its bar begins, in hundredths of the time line; `width` likewise.
        own: Milliseconds spent in no layer below.
    """

    node: Node
    group: str
    anchor: str
    depth: int
    at: float
    left: float
    width: float
    own: float
    children: "list[Row]"

    def walk(self) -> "Iterator[Row]":
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class Section:
    """One piece of work with a time line of its own.

    Args:
        title: What it is: a request, a task, a frame.
        name: Which.
        nodes: Its trees.
    """

    title: str
    name: str
    nodes: list[Node]

    @property
    def begin(self) -> float:
        return min((node.start for node in self.nodes), default=0.0)

    @property
    def took(self) -> float:
        """Return the milliseconds from its begin to its end, and never nothing: others are divided by it."""
        end = max((node.start + node.took for node in self.nodes), default=0.0)
        return max(end - self.begin, 0.001)

    @property
    def sql(self) -> dict[str, Any]:
        return totals(self.nodes, SQL)

    @property
    def redis(self) -> dict[str, Any]:
        return totals(self.nodes, REDIS)

    @property
    def ticks(self) -> list[float]:
        return [self.took * part / 4 for part in range(4)]

    def share(self, milliseconds: float) -> float:
        """Return a time as a part of the whole, from 0 to 1."""
        return min(max(milliseconds / self.took, 0.0), 1.0)


def sections(trace: Trace) -> list[Section]:
    """Return the parts of a trace: the request or the opening of the socket, each task, each frame."""
    first = "Opening" if trace.method == SOCKET else "Request"
    found = [Section(first, f"{trace.method} {trace.path}", trace.tree)] if trace.tree else []
    found += [Section("Task", task.name, [task]) for task in trace.tasks]
    return found + [
        Section("Frame", " ".join(filter(None, [frame.name, frame.detail])), [frame]) for frame in trace.frames
    ]


def summary(trace: Trace) -> str:
    who = f" as {trace.actor}" if trace.actor else ""
    size = "" if trace.method == TASK else f", {trace.size:,} bytes"
    return f"{trace.method} {trace.path}{who}: {trace.status}{size} in {trace.took:.1f} ms"


def as_text(trace: Trace, *, colour: bool = False) -> str:
    """Return the trace for a terminal: when and for how long, where on the time line, and what."""
    lines = [summary(trace)]
    for section in sections(trace):
        lines += ["", _heading(section), f"{'at ms':>8} {'took':>8}  {'':{_BAR}}"]
        lines += [_line(section, prefix, node, colour=colour) for prefix, node in tree(section.nodes, "")]
    return "\n".join(lines)


def as_html(trace: Trace) -> str:
    """Return the trace as a page that needs nothing else."""
    return render_to_string("layerline/trace.html", {"trace": trace, **timeline(sections(trace))})


def timeline(sections: list[Section]) -> dict[str, Any]:
    """Return what the template `layerline/timeline.html` shows."""
    drawn: list[dict[str, Any]] = []
    numbers = itertools.count(1)
    for section in sections:
        rows = [_row(section, node, 0, numbers) for node in section.nodes]
        fault = next((row for root in rows for row in _deepest_first(root) if row.node.error), None)
        drawn.append(
            {
                "title": section.title,
                "name": section.name,
                "took": section.took,
                "ticks": section.ticks,
                "sql": section.sql,
                "redis": section.redis,
                "rows": rows,
                "fault": fault,
            }
        )
    present = {row.group for section in drawn for root in section["rows"] for row in root.walk()}
    return {"sections": drawn, "groups": [group for group in _ORDER if group in present]}


def _row(section: Section, node: Node, depth: int, numbers: "Iterator[int]") -> Row:
    at = node.start - section.begin
    # A chain of middleware is one level.
    below = depth if node.kind == Layer.MIDDLEWARE else min(depth + 1, _DEEPEST)
    return Row(
        node=node,
        group=group(node),
        anchor=f"n{next(numbers)}",
        depth=depth,
        at=at,
        left=min(100 * section.share(at), 100 - _THINNEST),
        width=max(100 * section.share(node.took), _THINNEST),
        own=max(node.took - sum(child.took for child in node.children), 0.0),
        children=[_row(section, child, below, numbers) for child in node.children],
    )


def _deepest_first(row: Row) -> "Iterator[Row]":
    for child in row.children:
        yield from _deepest_first(child)
    yield row


def group(node: Node) -> str:
    """Return the group of layers whose colour the node has."""
    return _GROUPS.get(node.kind, "hook")


def _heading(section: Section) -> str:
    counts = ", ".join(
        f"{name} {total['count']} in {total['milliseconds']:.1f} ms"
        for name, total in (("SQL", section.sql), ("Redis", section.redis))
    )
    return f"{section.title} {section.name}: {section.took:.1f} ms ({counts})"


def _line(section: Section, prefix: str, node: Node, *, colour: bool) -> str:
    text = worded(node)
    code = _FAILED if node.error or node.kind == ERROR else _COLOURS.get(group(node))
    if colour and code:
        text = f"\x1b[{code}m{text}\x1b[0m"
    took = f"{node.took:8.2f}" if node.took else " " * 8
    return f"{node.start:8.2f} {took}  {_bar(section, node)}  {prefix}{text}"


def worded(node: Node) -> str:
    """Return what there is to say of a node, but for its times."""
    text = " ".join(filter(None, [node.kind, node.name, f"· {node.detail}" if node.detail else ""]))
    if node.error:
        text += f"  ✗ {node.error}" + (f" at {node.place}" if node.place else "")
    return text


def _bar(section: Section, node: Node) -> str:
    left = min(int(_BAR * section.share(node.start - section.begin)), _BAR - 1)
    width = max(1, min(round(_BAR * section.share(node.took)), _BAR - left))
    return ("·" * left + ("█" if node.took else "│") * width).ljust(_BAR, "·")


def tree(nodes: list[Node], prefix: str) -> Iterator[tuple[str, Node]]:
    """Yield each node with the lines of the tree before it; what is inside of a middleware stands below it."""
    for index, node in enumerate(nodes):
        if node.kind == Layer.MIDDLEWARE:
            yield prefix, node
            yield from tree(node.children, prefix)
            continue
        last = index == len(nodes) - 1
        yield f"{prefix}{'└─ ' if last else '├─ '}", node
        yield from tree(node.children, f"{prefix}{'   ' if last else '│  '}")
