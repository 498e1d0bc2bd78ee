"""What was measured, as a table and as JSON."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

type Round = dict[str, Any]


@dataclass(slots=True)
class Measured:
    """All rounds of one contestant.

    Args:
        memory: Bytes that one idle socket takes.
        most: For each number of members, as many deliveries as it makes.
        paced: Delays at a pace.
    """

    name: str
    title: str
    memory: float = 0.0
    most: dict[int, list[Round]] = field(default_factory=dict)
    paced: list[Round] = field(default_factory=list)

    def rates(self, members: int) -> list[float]:
        """Return the deliveries a second of each round."""
        return [one["deliveries"] / one["seconds"] for one in self.most[members]]

    def costs(self, members: int) -> list[float]:
        """Return the microseconds of the server's CPU for a delivery, in each round."""
        return [one["cpu"] / max(one["deliveries"], 1) * 1e6 for one in self.most[members]]

    def delays(self, which: str) -> list[float]:
        """Return the milliseconds of p50, p99 or p999 in each round; none of a round in which almost all was lost."""
        return [one[which] for one in self.paced if which in one]

    @property
    def lost(self) -> float:
        """The share of the paced deliveries that never came."""
        lost, came = (sum(int(one[which]) for one in self.paced) for which in ("lost", "deliveries"))
        return lost / (lost + came)

    def last(self) -> str:
        """Return a line about the last round."""
        most = ", ".join(f"{self.rates(members)[-1]:,.0f}/s to {members}" for members in sorted(self.most))
        delays = self.delays("p99")
        return f"{self.title}: {most}, p99 {f'{delays[-1]:.1f} ms' if delays else 'none'}"

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "title": self.title,
            "bytes_per_socket": self.memory,
            "most": {str(members): rounds for members, rounds in self.most.items()},
            "paced": self.paced,
        }


def table(measured: Sequence[Measured], members: Sequence[int], rate: float) -> str:
    """Return a line for each contestant: medians with their spread, and ratios to each other in the same round."""
    most = max(members)
    lines = [f"Deliveries a second, one core for the server; its CPU for each; delays at {rate:,.0f}/s to {most:,}", ""]
    head = f"{'':<42}" + "".join(f"{f'{count:,} members':>26}{'CPU µs':>8}" for count in sorted(members))
    lines.append(f"{head}{'p50 ms':>9}{'p99 ms':>9}{'p99.9 ms':>10}{'lost':>8}{'kB a socket':>13}")
    for one in measured:
        line = f"{one.title:<42}"
        for count in sorted(members):
            rates = one.rates(count)
            spread = f"{median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"
            line += f"{spread:>26}{median(one.costs(count)):>8.2f}"
        p50, p99, p999 = (_of(one.delays(which)) for which in ("p50", "p99", "p999"))
        lines.append(f"{line}{p50:>9}{p99:>9}{p999:>10}{one.lost:>8.1%}{one.memory / 1_000:>13.1f}")
    return "\n".join([*lines, "", *_ratios(measured, most)])


def _of(values: Sequence[float]) -> str:
    return f"{median(values):.1f}" if values else "-"


def _ratios(measured: Sequence[Measured], members: int) -> list[str]:
    by_name = {one.name: one for one in measured}
    pairs = (("ours-frames", "socket-io"), ("ours-frames", "node-ws"), ("ours-texts", "channels-core"))
    return [
        f"{by_name[mine].title} to {by_name[other].title}, {members:,} members: "
        f"{_ratio(by_name[mine], by_name[other], lambda one: one.rates(members)):.2f} times the deliveries, "
        f"{_ratio(by_name[other], by_name[mine], lambda one: one.costs(members)):.2f} times as many for the same CPU"
        for mine, other in pairs
        if mine in by_name and other in by_name
    ]


def _ratio(one: Measured, other: Measured, of: Callable[[Measured], list[float]]) -> float:
    return median(mine / its for mine, its in zip(of(one), of(other), strict=True))
