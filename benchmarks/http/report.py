"""What a run has shown: JSON for programs, a table and a chart for people."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.http.contestants import BENCH, ROOT
from benchmarks.http.growth import Cost
from benchmarks.http.rounds import Result, Route
from benchmarks.http.servers import Round

PAGE: Final = ROOT / "docs" / "performance.md"
CHART: Final = ROOT / "docs" / "images" / "http.svg"
_BEGIN: Final = '<!-- Written by `make bench ARGS="http --publish"` from here … -->'
_END: Final = "<!-- … to here. -->"


@dataclass(slots=True)
class Shown:
    """All that a run has measured.

    Args:
        load: The load average of the machine at the beginning and at the end.
    """

    load: list[float] = field(default_factory=lambda: [os.getloadavg()[0]])
    routes: dict[Route, Sequence[Result]] = field(default_factory=dict)
    flood: Mapping[str, Sequence[tuple[Round, Round]]] = field(default_factory=dict)
    growth: Mapping[str, Mapping[int, Cost]] = field(default_factory=dict)


def write(shown: Shown, *, publish: bool) -> str:
    """Write everything into .dev/bench, and into the documentation if it is to be published; return the tables."""
    tables = markdown(shown)
    (BENCH / "http.json").write_text(json.dumps(_plain(shown), indent=1), encoding="utf-8")
    (BENCH / "http.md").write_text(tables, encoding="utf-8")
    (BENCH / "http.svg").write_text(chart(shown.routes), encoding="utf-8")
    if publish:
        _between_marks(PAGE, tables)
        CHART.write_text(chart(shown.routes), encoding="utf-8")
    return tables


def markdown(shown: Shown) -> str:
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    loads = " to ".join(f"{one:.1f}" for one in shown.load)
    machine = f"{day}, {os.cpu_count()} cores, Python {platform.python_version()}, load average {loads}."
    parts = [machine, *(_route(route, results) for route, results in shown.routes.items())]
    if shown.flood:
        parts.append(_flood(shown.flood))
    if shown.growth:
        parts.append(_growth(shown.growth))
    return "\n\n".join(parts) + "\n"


def _route(route: Route, results: Sequence[Result]) -> str:
    stock = results[1]
    head = ("contestant", "requests/s", "from … to", "ratio", "CPU per request", "p50", "p99")
    rows = [
        (
            result.title,
            _number(result.rate),
            f"{_number(min(one.rate for one in result.rounds))} … {_number(max(one.rate for one in result.rounds))}",
            f"{result.ratio_to(stock):.2f}",
            f"{result.cpu:,.0f} µs",
            f"{median(one.p50 for one in result.rounds):.1f} ms",
            f"{median(one.p99 for one in result.rounds):.1f} ms",
        )
        for result in results
    ]
    return f"### {route.title}\n\n{_table(head, rows)}"


def _flood(flood: Mapping[str, Sequence[tuple[Round, Round]]]) -> str:
    head = ("contestant", "p99 of `me` without", "with the flood", "ratio")
    rows = [
        (
            title,
            f"{median(quiet.p99 for quiet, _ in pairs):.1f} ms",
            f"{median(flooded.p99 for _, flooded in pairs):.1f} ms",
            f"{median(flooded.p99 / quiet.p99 for quiet, flooded in pairs):.2f}",
        )
        for title, pairs in flood.items()
    ]
    return f"### `GET /auth/me/` under a flood of logins\n\n{_table(head, rows)}"


def _growth(growth: Mapping[str, Mapping[int, Cost]]) -> str:
    sizes = list(next(iter(growth.values())))
    head = ("request", *(f"{rows:,} rows" for rows in sizes), "last to first")
    rows = [
        (
            title,
            *(f"{costs[size].database:.2f} / {costs[size].http:.1f} ms" for size in sizes),
            _times(costs[sizes[-1]], costs[sizes[0]]),
        )
        for title, costs in growth.items()
    ]
    return f"### As the accounts grow: in PostgreSQL / over HTTP\n\n{_table(head, rows)}"


def _times(last: Cost, first: Cost) -> str:
    return f"{last.database / first.database:.2f} / {last.http / first.http:.2f}"


def chart(routes: Mapping[Route, Sequence[Result]]) -> str:
    """Return bars of how many times as many requests each answers as stock DRF in the same round."""
    longest = max((result.ratio_to(results[1]) for results in routes.values() for result in results), default=1)
    lines: list[str] = []
    y = 34
    for route, results in routes.items():
        lines.append(f'<text class="head" x="24" y="{y}">{escape(route.title.replace("`", ""))}</text>')
        for result in results:
            y += 26
            ratio = result.ratio_to(results[1])
            kind = "ours" if result is results[0] else "peer"
            width = 430 * ratio / longest
            lines.append(f'<text class="name" x="24" y="{y}">{escape(result.title)}</text>')
            lines.append(f'<rect class="{kind}" x="330" y="{y - 13}" width="{width:.1f}" height="17" rx="3"/>')
            lines.append(f'<text class="value" x="{338 + width:.1f}" y="{y}">{ratio:.2f}</text>')
        y += 42
    body = "\n".join(lines)
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 {y}" width="860" height="{y}" role="img">
<title>Requests a second on two workers, as a ratio to DRF with SimpleJWT, for each route and contestant.</title>
<style>
svg {{ --card: #fff; --line: #dde2ea; --ink: #1d2433; --soft: #5d6778; --ours: #14804a; --peer: #aab4c5; }}
@media (prefers-color-scheme: dark) {{ svg {{ --card: #161b22; --line: #30363f; --ink: #e6eaf0; --soft: #a3adbd;
  --ours: #4cc483; --peer: #56607a; }} }}
text {{ font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: var(--ink); }}
.head {{ font-weight: 600; }} .name, .value {{ fill: var(--soft); }}
.card {{ fill: var(--card); stroke: var(--line); }} .ours {{ fill: var(--ours); }} .peer {{ fill: var(--peer); }}
</style>
<rect class="card" x="0.5" y="0.5" width="859" height="{y - 1}" rx="12"/>
{body}
</svg>
"""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["--:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"  # noqa: PLR2004  # three digits tell enough


def _plain(shown: Shown) -> dict[str, Any]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "load": shown.load,
        "routes": {route.name: [asdict(result) for result in results] for route, results in shown.routes.items()},
        "flood": {title: [[asdict(one) for one in pair] for pair in pairs] for title, pairs in shown.flood.items()},
        "growth": {
            title: {rows: asdict(cost) for rows, cost in costs.items()} for title, costs in shown.growth.items()
        },
    }


def _between_marks(page: Path, text: str) -> None:
    before, _, rest = page.read_text(encoding="utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    page.write_text(f"{before}{_BEGIN}\n\n{text}\n{_END}{after}", encoding="utf-8")
