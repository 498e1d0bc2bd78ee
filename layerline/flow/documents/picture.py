"""A chart as a picture: an SVG file that fetches nothing and follows the reader's choice of light or dark."""

from collections.abc import Iterator
from html import escape
from typing import Final

from layerline.flow.documents.chart import HOOKS, WORKER, Chart, Row
from layerline.flow.layers import Layer
from layerline.flow.words import ERROR, QUEUED, SIDE_EFFECT, TRANSACTION

_WIDTH: Final = 980
_ROW: Final = 25
_LANE: Final = 50
_LEFT: Final = 52
_HEAD: Final = 104
_FOOT: Final = 22
# The width of a letter of the smaller type, a bit more than it is anywhere.
_LETTER: Final = 7.3
# The kinds that the lane does not tell.
_NAMED: Final = HOOKS | {Layer.TASK, Layer.JOB, Layer.MAIL}
_MOMENTS: Final = {QUEUED, Layer.ON_COMMIT, SIDE_EFFECT}
_STYLE: Final = """
svg { --card: #fff; --line: #dde2ea; --band: #f5f7fa; --ink: #1d2433; --soft: #6a7486; --commit: #7352e8;
  --bad: #c4291c; --client: #475467; --middleware: #7b8698; --door: #0b7f8b; --hooks: #b26a00; --service: #14804a;
  --selector: #4c840d; --postgresql: #2b66d3; --redis: #c93a28; --outside: #a13c86; }
@media (prefers-color-scheme: dark) { svg { --card: #161b22; --line: #30363f; --band: #1c222b; --ink: #e6eaf0;
  --soft: #949eb0; --commit: #ab95ff; --bad: #ff7d70; --client: #aab4c5; --middleware: #8b95a7; --door: #3cc3d0;
  --hooks: #e5a84b; --service: #4cc483; --selector: #93cf55; --postgresql: #78aaff; --redis: #ff8270;
  --outside: #e48ac9; } }
text { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; fill: var(--ink); }
.head { font: 600 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: var(--c); }
.name { font-weight: 600; fill: var(--c); } .soft { fill: var(--soft); } .bad { fill: var(--bad); font-weight: 600; }
.file { font-size: 11px; fill: var(--soft); text-anchor: end; }
.end { font-weight: 600; }
.card { fill: var(--card); stroke: var(--line); } .band { fill: var(--band); }
.lane { stroke: var(--c); opacity: .3; stroke-dasharray: 1 5; stroke-linecap: round; stroke-width: 2; }
.bar { fill: var(--c); } .go { stroke: var(--c); fill: none; stroke-width: 1.6; } .tip { fill: var(--c); }
.dot { fill: var(--c); stroke: var(--card); stroke-width: 1.5; }
.hollow { fill: var(--card); stroke: var(--c); stroke-width: 2; }
.transaction { fill: var(--commit); fill-opacity: .08; stroke: var(--commit); stroke-opacity: .55;
  stroke-dasharray: 4 3; }
.off { stroke: var(--commit); fill: none; stroke-width: 1.6; stroke-dasharray: 2 4; stroke-linecap: round; }
.worker { stroke: var(--line); stroke-width: 1.5; }
"""


def picture(chart: Chart, *, title: str) -> str:
    """Return the chart as SVG.

    Args:
        chart: What is drawn.
        title: What it shows, for whoever does not see it.
    """
    return "\n".join(_Drawing(chart).lines(title)) + "\n"


class _Drawing:
    def __init__(self, chart: Chart) -> None:
        self._chart = chart
        self._rows = chart.rows
        self._x = {lane: _LEFT + _LANE * number for number, lane in enumerate(chart.lanes())}
        self._text = max(self._x.values()) + 40
        self._height = _HEAD + _ROW * len(chart.rows) + _FOOT

    def lines(self, title: str) -> Iterator[str]:
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {self._height}" width="{_WIDTH}" '
            f'height="{self._height}" role="img">'
        )
        yield f"<title>{escape(title)}</title>"
        yield f"<style>{_STYLE}</style>"
        yield f'<rect class="card" x="0.5" y="0.5" width="{_WIDTH - 1}" height="{self._height - 1}" rx="12"/>'
        yield from self._ground()
        yield from self._heads()
        yield from self._far_arcs()
        for number, row in enumerate(self._rows):
            yield f'<g style="--c:{_colour(row)}">{"".join(self._row(number, row))}</g>'
        yield "</svg>"

    def _y(self, number: int) -> float:
        return _HEAD + _ROW * (number + 0.5)

    def _place(self, row: Row) -> float:
        return self._x[row.lane] + 7 * row.nesting

    def _ground(self) -> Iterator[str]:
        for number in range(0, len(self._rows), 2):
            top = _HEAD + _ROW * number
            yield f'<rect class="band" x="1" y="{top}" width="{_WIDTH - 2}" height="{_ROW}"/>'
        for first, last in self._chart.transactions:
            parent = self._rows[first].parent
            left = self._place(self._rows[parent]) - 13 if parent is not None else _LEFT
            top, height = _HEAD + _ROW * first + 1, _ROW * (last - first + 1) - 2
            width = _WIDTH - 14 - left
            yield f'<rect class="transaction" x="{left}" y="{top}" width="{width}" height="{height}" rx="7"/>'

    def _heads(self) -> Iterator[str]:
        bottom = _HEAD + _ROW * len(self._rows)
        for lane, title in self._chart.lanes().items():
            x = self._x[lane]
            yield f'<g style="--c:var(--{lane.lower()})">'
            yield f'<text class="head" transform="translate({x - 3} {_HEAD - 16}) rotate(-42)">{title}</text>'
            yield f'<path class="lane" d="M{x} {_HEAD - 6}V{bottom}"/></g>'

    def _far_arcs(self) -> Iterator[str]:
        for start, end in self._chart.put_off:
            begin, finish = self._rows[start], self._rows[end]
            if finish.kind == Layer.ON_COMMIT:
                yield _arc(self._place(begin), self._y(start), self._place(finish), self._y(end))
            else:
                yield _way(self._place(begin), self._y(start), self._place(finish), self._y(end))

    def _row(self, number: int, row: Row) -> Iterator[str]:
        x, y = self._place(row), self._y(number)
        if row.kind == WORKER:
            yield f'<path class="worker" d="M14 {y - 8}H{_WIDTH - 14}"/>'
            yield f'<text class="end" x="{_LEFT - 34}" y="{y + 7}">{escape(row.name)}</text>'
            return
        if row.parent is not None:
            yield self._call(self._rows[row.parent], row, y)
        if row.last > number:
            yield f'<rect class="bar" x="{x - 4}" y="{y - 5}" width="8" height="{self._y(row.last) - y + 10}" rx="4"/>'
        else:
            kind = "hollow" if row.kind in {QUEUED, TRANSACTION} else "dot"
            yield f'<circle class="{kind}" cx="{x}" cy="{y}" r="4.5"/>'
        yield self._label(row, y)

    def _call(self, parent: Row, row: Row, y: float) -> str:
        """Draw an arrow from the lane that called to the one that was called."""
        start, end = self._place(parent), self._place(row)
        if abs(end - start) < _LANE / 2:
            return ""
        way = 1 if end > start else -1
        tip = end - 6 * way
        return (
            f'<path class="go" d="M{start + 4 * way} {y}H{tip - 4 * way}"/>'
            f'<path class="tip" d="M{tip - 6 * way} {y - 3.5}L{tip} {y}L{tip - 6 * way} {y + 3.5}Z"/>'
        )

    def _label(self, row: Row, y: float) -> str:
        indent = self._text + 9 * row.depth
        room = int((_WIDTH - 20 - indent) / _LETTER)
        before = f"{row.kind} " if row.kind in _MOMENTS else ""
        after = f" {row.kind}" if row.kind in _NAMED else ""
        after += f" · {row.detail}" if row.detail else ""
        after += f" ✗ {row.error}" if row.error else ""
        name = _cut(row.name, room - len(before) - len(after))
        fits = len(before + name + after) + len(row.file) < room
        soft = "bad" if row.error else "soft"
        parts = [
            f'<tspan class="soft">{escape(before)}</tspan>' if before else "",
            f'<tspan class="{"bad" if row.kind == ERROR else "name"}">{escape(name)}</tspan>',
            f'<tspan class="{soft}">{escape(after)}</tspan>' if after else "",
        ]
        where = f'<text class="file" x="{_WIDTH - 20}" y="{y + 4}">{row.file}</text>' if row.file and fits else ""
        return f'<text x="{indent}" y="{y + 4}" xml:space="preserve">{"".join(parts)}</text>{where}'


def _colour(row: Row) -> str:
    return f"var(--{'commit' if row.kind in {QUEUED, Layer.ON_COMMIT, TRANSACTION} else row.lane.lower()})"


def _arc(x1: float, y1: float, x2: float, y2: float) -> str:
    """Draw what waits between two rows: out to the left of both lanes and back in."""
    out = min(x1, x2) - 20
    return f'<path class="off" d="M{x1 - 6} {y1}C{out} {y1} {out} {y2} {x2 - 6} {y2}"/>'


def _way(x1: float, y1: float, x2: float, y2: float) -> str:
    """Draw what leaves to the right, and comes back into a row far below."""
    out = x1 + 18
    return (
        f'<g style="--c:var(--commit)"><path class="off" d="M{x1 + 6} {y1}H{out - 8}Q{out} {y1} {out} {y1 + 8}'
        f'V{y2 - 8}Q{out} {y2} {out - 8} {y2}H{x2 + 14}"/>'
        f'<path class="tip" d="M{x2 + 15} {y2 - 4}L{x2 + 7} {y2}L{x2 + 15} {y2 + 4}Z"/></g>'
    )


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: max(room - 1, 1)]}…"
