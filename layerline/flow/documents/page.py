"""A flow as a page: its story, its picture, its steps, and where the code of each layer stands."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from layerline.flow.documents.chart import LATER, Part, chart
from layerline.flow.documents.code import file_with, place_of
from layerline.flow.documents.declarations import Book, DeclarationError, Flow, Request
from layerline.flow.documents.picture import picture
from layerline.flow.documents.steps import steady
from layerline.flow.report import tree, worded
from layerline.flow.trace import SOCKET, Trace

MARK: Final = "<!-- Written by `make flows` from flows.toml and from what the code did. Change those instead. -->"
INDEX: Final = "README.md"


def files(flow: Flow, trace: Trace, book: Book, folder: Path) -> dict[str, str]:
    """Return the texts of a flow's files by their names: the page and its picture.

    Args:
        flow: What was played.
        trace: What happened.
        book: Where the layers' own pages are named.
        folder: Where the page will stand.

    Raises:
        DeclarationError: If the flow names code that is not there.
    """
    parts = list(_parts(trace))
    title = f"{flow.title}: {flow.summary}"
    return {f"{flow.name}.md": _page(flow, parts, book, folder), f"{flow.name}.svg": picture(chart(parts), title=title)}


def index(book: Book) -> str:
    """Return the list of all pages."""
    rows = [f"| [{flow.title}]({flow.name}.md) | {flow.summary} |" for flow in book.flows]
    table = "\n".join(["| page | what it shows |", "|---|---|", *rows])
    return f"{MARK}\n\n# Flows\n\n{book.introduction}\n\n{table}\n\n{book.closing}\n"


def _parts(trace: Trace) -> Iterator[Part]:
    if trace.tree:
        yield Part(f"{trace.method} {trace.path}", steady(trace.tree), trace.status)
    # Those of a request stand in its tree.
    for frame in trace.frames if trace.method == SOCKET else ():
        begin = f"frame {frame.detail}" if frame.detail else frame.name.rpartition(".")[2]
        yield Part(begin, steady([frame]), "")
    for task in trace.tasks:
        yield Part("", steady([task]), "")


def _page(flow: Flow, parts: list[Part], book: Book, folder: Path) -> str:
    sections = [
        MARK,
        f"# {flow.title}",
        flow.story,
        f"![{flow.title}: each step in the lane of its layer]({flow.name}.svg)",
        "## Step by step",
        _block("http", _sent(flow.request)),
        *(_block("text", _steps(part)) for part in parts),
        "## Where the code stands",
        "\n".join(_table(flow, parts, book, folder)),
        f"[All flows]({INDEX})",
    ]
    return "\n\n".join(sections) + "\n"


def _block(language: str, lines: Iterator[str]) -> str:
    return "\n".join([f"```{language}", *lines, "```"])


def _sent(request: Request) -> Iterator[str]:
    yield f"{request.method} {request.path}"
    if request.actor:
        yield f"Authorization: Bearer …  # {request.actor}"
    for text in request.texts:
        yield from ("", text)


def _steps(part: Part) -> Iterator[str]:
    yield part.begin or LATER
    for prefix, node in tree(part.nodes, ""):
        yield f"{prefix}{worded(node)}"
    if part.end:
        yield part.end


def _table(flow: Flow, parts: list[Part], book: Book, folder: Path) -> Iterator[str]:
    yield from ("| layer | code | file |", "|---|---|---|")
    nodes = [node for part in parts for root in part.nodes for _, node in root.walk()]
    rows = [(node.kind, *place_of(node.module, node.name)) for node in nodes]
    for layer, file, symbol in dict.fromkeys([*rows, *_further(flow)]):
        if file:
            page = book.layers.get(layer)
            shown = f"[{layer}]({page})" if page else layer
            yield f"| {shown} | `{symbol}` | [{file}]({os.path.relpath(Path.cwd() / file, folder)}) |"


def _further(flow: Flow) -> Iterator[tuple[str, str, str]]:
    for layer, place in flow.code:
        module, _, symbol = place.partition(": ")
        file = file_with(Path(module), symbol)
        if file is None:
            raise DeclarationError(f"{flow.name}: {module} does not define {symbol}")
        yield layer, file.as_posix(), symbol
