"""A flow as rows in lanes: one row for each step, one lane for each layer, in the order in which a request goes in."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from layerline.flow.documents.code import place_of
from layerline.flow.layers import Layer
from layerline.flow.recorder import Node
from layerline.flow.words import ERROR, QUEUED, REDIS, SENT, SIDE_EFFECT, SQL, TRANSACTION

CLIENT: Final = "client"
WORKER: Final = "worker"
LATER: Final = "later, in the worker"
HOOKS: Final = frozenset(
    {
        Layer.AUTHENTICATION,
        Layer.THROTTLE,
        Layer.PERMISSION,
        Layer.PARSER,
        Layer.FILTER,
        Layer.PAGINATOR,
        Layer.SERIALIZER,
        Layer.RENDERER,
    }
)
_DOOR: Final = "door"
_DOORS: Final = frozenset({Layer.VIEW, Layer.CONSUMER, Layer.JOB, Layer.COMMAND, Layer.ADMIN})
_WORK: Final = frozenset({Layer.TASK, Layer.JOB})
# Each lane with the kinds of steps that stand in it. A step of another kind stands in the lane it was taken from.
LANES: Final[dict[str, frozenset[str]]] = {
    CLIENT: frozenset({CLIENT, SENT}),
    "middleware": frozenset({Layer.MIDDLEWARE}),
    _DOOR: frozenset({*_DOORS, Layer.TASK, ERROR}),
    "hooks": frozenset(HOOKS),
    "service": frozenset({Layer.SERVICE}),
    "selector": frozenset({Layer.SELECTOR}),
    "PostgreSQL": frozenset({SQL, TRANSACTION}),
    "Redis": frozenset({REDIS}),
    "outside": frozenset({Layer.MAIL, Layer.CHANNEL, SIDE_EFFECT}),
}
_LANE_OF: Final = {kind: lane for lane, kinds in LANES.items() for kind in kinds}
_TABLE: Final = re.compile(r"(?:\bFROM|\bJOIN|\bINTO|^UPDATE) (\w+)")


@dataclass(slots=True)
class Row:
    """One step.

    Args:
        kind: As of the node.
        name: What is written.
        lane: Where it stands.
        depth: How far inside it happened.
        parent: The number of the row that it was taken from.
        last: The number of the last row of what it did.
        nesting: How many rows of the same lane it stands inside of.
        detail: A word about it.
        error: The exception that left it.
        file: Where its code stands; nothing for installed packages.
    """

    kind: str
    name: str
    lane: str
    depth: int
    parent: int | None
    last: int
    nesting: int = 0
    detail: str = ""
    error: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """All rows of a flow.

    Args:
        rows: From the first to the last.
        transactions: The first and the last row of each.
        put_off: The row where something is put off until the commit, or sent to a worker, and the row where it runs.
    """

    rows: list[Row]
    transactions: list[tuple[int, int]]
    put_off: list[tuple[int, int]]

    def lanes(self) -> dict[str, str]:
        """Return the lanes in which something stands, with their titles: of the doors those that were used."""
        used = {row.lane for row in self.rows}
        doors = dict.fromkeys(row.kind for row in self.rows if row.lane == _DOOR and row.kind in _DOORS)
        return {lane: ", ".join(doors) if lane == _DOOR else lane for lane in LANES if lane in used}


@dataclass(frozen=True, slots=True)
class Part:
    """Steps that belong together.

    Args:
        begin: What a client sent; nothing where a worker begins.
        nodes: The steps.
        end: What the client was answered.
    """

    begin: str
    nodes: list[Node]
    end: str = ""


def chart(parts: list[Part]) -> Chart:
    """Lay out what a client caused, and what a worker did later."""
    rows: list[Row] = []
    for part in parts:
        if part.begin:
            _place_exchange(rows, part)
        else:
            rows.append(Row(WORKER, LATER, CLIENT, 0, None, len(rows)))
            for node in part.nodes:
                _place(rows, node, None)
    return Chart(rows, list(_transactions(rows)), list(_put_off(rows)))


def _place_exchange(rows: list[Row], part: Part) -> None:
    number = len(rows)
    _place(rows, Node(CLIENT, part.begin, 0.0, children=part.nodes), None)
    if part.end:
        rows.append(Row(CLIENT, part.end, CLIENT, 0, None, len(rows)))
        rows[number].last = len(rows) - 1


def _place(rows: list[Row], node: Node, parent: int | None) -> None:
    name, children = _collapsed(node)
    number = len(rows)
    around = rows[parent] if parent is not None else None
    lane = _LANE_OF.get(node.kind) or (around.lane if around else CLIENT)
    row = Row(node.kind, name, lane, around.depth + 1 if around else 0, parent, number)
    row.nesting = around.nesting + 1 if around and around.lane == lane else 0
    row.detail, row.error = node.detail, node.error
    row.file, _ = place_of(node.module, node.name)
    rows.append(row)
    for child in children:
        _place(rows, child, number)
    row.last = len(rows) - 1


def _collapsed(node: Node) -> tuple[str, list[Node]]:
    """Return what to write of a step, and what is inside of it; a chain of middleware is one step."""
    if node.kind == SQL:
        return _brief(node.name), node.children
    if node.kind != Layer.MIDDLEWARE:
        return node.name, node.children
    count = 1
    while len(node.children) == 1 and node.children[0].kind == Layer.MIDDLEWARE:
        node, count = node.children[0], count + 1
    return f"{count} middleware", node.children


def _brief(statement: str) -> str:
    """Return the verb of a statement and the tables it is about."""
    tables = list(dict.fromkeys(_TABLE.findall(statement)))
    locks = " FOR UPDATE" if statement.endswith("FOR UPDATE") else ""
    return f"{statement.partition(' ')[0]} {', '.join(tables)}{locks}".strip()


def _transactions(rows: list[Row]) -> Iterator[tuple[int, int]]:
    opened: list[int] = []
    for number, row in enumerate(rows):
        if row.kind != TRANSACTION:
            continue
        if row.name in {"BEGIN", "SAVEPOINT"}:
            opened.append(number)
        elif opened:
            yield opened.pop(), number


def _put_off(rows: list[Row]) -> Iterator[tuple[int, int]]:
    taken: set[int] = set()
    for number, row in enumerate(rows):
        later = (later for later in range(number + 1, len(rows)) if later not in taken and _runs(rows[later], row))
        for found in islice(later, 1):
            taken.add(found)
            yield number, found


def _runs(row: Row, put_off: Row) -> bool:
    """Tell whether in a row runs what was put off, or sent, in another."""
    if put_off.kind == QUEUED:
        return row.kind == Layer.ON_COMMIT and row.name == put_off.name
    return put_off.kind == SIDE_EFFECT and row.kind in _WORK and put_off.name.endswith(f" {row.name}")
