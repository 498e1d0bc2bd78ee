"""Nodes, charts and flows as short as a test needs them."""

from typing import Any

from layerline.flow.documents.chart import Chart, Part, chart
from layerline.flow.documents.declarations import Flow, Request
from layerline.flow.recorder import Node


def node(kind: str, name: str, *children: Node, **rest: Any) -> Node:
    return Node(kind, name, 1.5, 2.5, children=list(children), **rest)


def charted(*nodes: Node, jobs: tuple[Node, ...] = ()) -> Chart:
    return chart([Part("GET /", list(nodes), "200 OK"), *(Part("", [job]) for job in jobs)])


def request(line: str, *, status: str, actor: str = "", body: str = "") -> Request:
    method, _, path = line.partition(" ")
    return Request(method, path, actor, (body,) if body else (), status)


def flow(asked: Request, *given: Request, code: tuple[tuple[str, str], ...] = ()) -> Flow:
    return Flow("way", "A way", "What it shows.", "A story.", given, asked, code)
