"""One request through the real stack in this process, recorded; and the record as a tree of text, and as a page."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from django.core.servers.basehttp import get_internal_wsgi_application
from django.template.loader import render_to_string
from django.test import RequestFactory

from layerline.flow import instrument
from layerline.flow.recorder import ERROR, REDIS, SQL, Node, Recorder

_BAR: Final = 24
_COLOURS: Final = {
    "view": "36",
    "service": "32",
    "selector": "32",
    "sql": "34",
    "redis": "35",
    "transaction": "33",
    "queued": "33",
    "on commit": "33",
    "leaves": "33",
    "middleware": "2",
}
_FAILED: Final = "31"


@dataclass(frozen=True, slots=True)
class Trace:
    """A request with its answer and its way."""

    method: str
    path: str
    actor: str
    status: str
    size: int
    took: float
    recorder: Recorder

    def count(self, kind: str) -> int:
        return sum(node.kind == kind for _, node in self.recorder.nodes())

    def milliseconds(self, kind: str) -> float:
        return sum(node.took for _, node in self.recorder.nodes() if node.kind == kind)

    def as_json(self) -> dict[str, Any]:
        """Return the trace for programs; times are milliseconds."""
        return {
            "method": self.method,
            "path": self.path,
            "as": self.actor or None,
            "status": int(self.status.partition(" ")[0]),
            "bytes": self.size,
            "milliseconds": self.took,
            "sql": {"count": self.count(SQL), "milliseconds": self.milliseconds(SQL)},
            "redis": {"count": self.count(REDIS), "milliseconds": self.milliseconds(REDIS)},
            "tree": [asdict(root) for root in self.recorder.roots],
        }

    def summary(self) -> str:
        who = f" as {self.actor}" if self.actor else ""
        return (
            f"{self.method} {self.path}{who}: {self.status}, {self.size:,} bytes in {self.took:.1f} ms "
            f"(SQL {self.count(SQL)} in {self.milliseconds(SQL):.1f} ms, "
            f"Redis {self.count(REDIS)} in {self.milliseconds(REDIS):.1f} ms)"
        )

    def as_text(self, *, colour: bool = False) -> str:
        """Return the trace for a terminal: when and for how long, where on the time line, and what."""
        lines = [self.summary(), "", f"{'at ms':>8} {'took':>8}  {'':{_BAR}}"]
        for prefix, node in _drawn(self.recorder.roots, ""):
            text = " ".join(part for part in (node.kind, node.name, f"· {node.detail}" if node.detail else "") if part)
            if node.error:
                text += f"  ✗ {node.error}" + (f" at {node.place}" if node.place else "")
            took = f"{node.took:8.2f}" if node.took else " " * 8
            code = _FAILED if node.error or node.kind == ERROR else _COLOURS.get(node.kind)
            if colour and code:
                text = f"\x1b[{code}m{text}\x1b[0m"
            lines.append(f"{node.start:8.2f} {took}  {self._bar(node)}  {prefix}{text}")
        return "\n".join(lines)

    def as_html(self) -> str:
        """Return the trace as a page that needs nothing else."""
        rows = [
            {
                "node": node,
                "depth": depth,
                "group": _group(node.kind),
                "left": 100 * node.start / self.took,
                "width": max(100 * node.took / self.took, 0.25),
            }
            for depth, node in self.recorder.nodes()
        ]
        context = {
            "trace": self,
            "rows": rows,
            "failed": int(self.status[0]) >= 4,  # noqa: PLR2004  # the classes of HTTP
            "groups": list(dict.fromkeys(row["group"] for row in rows)),
            "chips": [
                ("SQL", self.count(SQL), self.milliseconds(SQL)),
                ("Redis", self.count(REDIS), self.milliseconds(REDIS)),
            ],
        }
        return render_to_string("layerline/trace.html", context)

    def _bar(self, node: Node) -> str:
        left = min(int(_BAR * node.start / self.took), _BAR - 1)
        width = max(1, min(round(_BAR * node.took / self.took), _BAR - left))
        return ("·" * left + ("█" if node.took else "│") * width).ljust(_BAR, "·")


def trace(method: str, path: str, *, body: bytes, headers: Mapping[str, str], actor: str) -> Trace:
    """Send a request to the project's own WSGI application and record its way.

    Args:
        method: The verb.
        path: With its query string.
        body: JSON, or nothing.
        headers: What the request carries besides.
        actor: Whoever it is sent as, for the reader.
    """
    request = RequestFactory(SERVER_NAME="localhost").generic(
        method, path, body, content_type="application/json", headers=dict(headers)
    )
    answered: list[str] = []

    def start_response(status: str, _headers: Any, _exc_info: Any = None) -> Any:
        answered.append(status)

    recorder = Recorder()
    with instrument.installed(recorder):
        application = get_internal_wsgi_application()
        recorder.begin()
        answer: Any = application(request.environ, start_response)
        try:
            size = sum(len(part) for part in answer)
            took = recorder.elapsed()
        finally:
            answer.close()
    return Trace(method, path, actor, answered[-1], size, took, recorder)


def _drawn(nodes: list[Node], prefix: str) -> Iterator[tuple[str, Node]]:
    """Yield each node with the lines of the tree before it; what is inside of a middleware stands below it."""
    for index, node in enumerate(nodes):
        if node.kind == "middleware":
            yield prefix, node
            yield from _drawn(node.children, prefix)
            continue
        last = index == len(nodes) - 1
        yield f"{prefix}{'└─ ' if last else '├─ '}", node
        yield from _drawn(node.children, f"{prefix}{'   ' if last else '│  '}")


def _group(kind: str) -> str:
    if kind in {"middleware", "view", "service", "selector", "sql", "redis", "serializer", "error"}:
        return kind
    return "commit" if kind in {"transaction", "queued", "on commit", "leaves"} else "hook"
