"""The figures as a picture for the docs."""

from collections.abc import Sequence
from html import escape
from statistics import median
from typing import Final

from benchmarks.realtime.report import Measured

_WIDTH, _ROW, _TOP, _LEFT = 760, 34, 64, 300
_BAR: Final = _WIDTH - _LEFT - 150
_LATE: Final = 1_000
_STYLE: Final = """
text { font: 13px system-ui, sans-serif; fill: #1f2937 }
.title { font-weight: 600; font-size: 15px } .small { fill: #6b7280; font-size: 12px }
.ours { fill: #2563eb } .theirs { fill: #9ca3af }
@media (prefers-color-scheme: dark) { text { fill: #e5e7eb } .small { fill: #9ca3af } .theirs { fill: #6b7280 } }
"""


def chart(measured: Sequence[Measured], members: int, rate: float) -> str:
    """Return an SVG with a bar for each contestant's deliveries, and its delay beside it."""
    ranked = sorted(measured, key=lambda one: -median(one.rates(members)))
    most = median(ranked[0].rates(members))
    rows = "\n".join(_row(number, one, members, most) for number, one in enumerate(ranked))
    height = _TOP + _ROW * len(ranked) + 10
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="t">
<title id="t">Deliveries a second to a room of {members:,}, one core for the server</title>
<style>{_STYLE}</style>
<text class="title" x="0" y="18">Deliveries a second to a room of {members:,}, one core for the server</text>
<text class="small" x="0" y="38">and the 99th percentile of the delay at {rate:,.0f} deliveries a second</text>
{rows}
</svg>
"""


def _row(number: int, one: Measured, members: int, most: float) -> str:
    value = median(one.rates(members))
    y, width = _TOP + _ROW * number, max(1, round(_BAR * value / most))
    delays = one.delays("p99")
    # Who loses some, or is seconds late, does not keep the pace.
    keeps_pace = delays and median(delays) < _LATE and not one.lost
    delay = f"{median(delays):,.0f} ms" if keeps_pace else "cannot"
    kind = "ours" if one.name.startswith("ours") else "theirs"
    return (
        f'<text x="{_LEFT - 10}" y="{y + 15}" text-anchor="end">{escape(one.title)}</text>'
        f'<rect class="{kind}" x="{_LEFT}" y="{y}" width="{width}" height="22" rx="3"/>'
        f'<text x="{_LEFT + width + 8}" y="{y + 15}">{value:,.0f}<tspan class="small" dx="8">{delay}</tspan></text>'
    )
