"""Takes turns between the contestants of a route, round after round."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Final

from benchmarks.http.contestants import (
    FAST,
    FAST_LIMITED,
    FAST_PIPELINED,
    FAST_REDIS,
    NINJA,
    OURS,
    OURS_GRANIAN,
    STOCK,
    Contestant,
)
from benchmarks.http.servers import Round, Server
from benchmarks.http.world import World

CONNECTIONS: Final = 16
# In each of our processes one hash is made and three wait; who comes then is told to come again.
LOGIN_CONNECTIONS: Final = 4
# So many take turns where they are warm, and everybody where each request must find somebody cold.
WARM: Final = 1_000


@dataclass(frozen=True, slots=True)
class Route:
    """What is asked of whom.

    Args:
        name: In reports.
        route: In the paths of the contestants.
        contestants: The first is ours, the second is what all are compared with.
        cold: Whether nobody may be in our cache.
        longer: How many times as long a round is.
    """

    name: str
    title: str
    route: str
    contestants: tuple[Contestant, ...]
    connections: int = CONNECTIONS
    cold: bool = False
    longer: int = 1


ROUTES: Final = (
    Route(
        "me_warm",
        "`GET /auth/me/`, user in Redis",
        "me",
        (OURS, STOCK, OURS_GRANIAN, NINJA, FAST_REDIS, FAST_PIPELINED),
    ),
    Route("me_cold", "`GET /auth/me/`, user in PostgreSQL", "me", (OURS, STOCK, FAST, FAST_LIMITED), cold=True),
    Route("users", "`GET /users/`, 20 of 10,000", "users", (OURS, STOCK, NINJA, FAST)),
    # Slow enough to need more time for as many answers.
    Route("login", "`POST /auth/login/`", "login", (OURS, STOCK, NINJA, FAST), LOGIN_CONNECTIONS, longer=3),
)


@dataclass(frozen=True, slots=True)
class Result:
    """The rounds of one contestant; those that were apart, for their CPU."""

    title: str
    rounds: Sequence[Round]
    apart: Sequence[Round]

    @property
    def rate(self) -> float:
        return median(one.rate for one in self.rounds)

    @property
    def cpu(self) -> float:
        return median(one.cpu for one in self.apart)

    def ratio_to(self, other: "Result") -> float:
        """Return the median of how many times as many requests it answered in the same round."""
        pairs = zip(self.rounds, other.rounds, strict=True)
        return median([mine.rate / its.rate for mine, its in pairs if its.rate] or [math.inf])


def compare(world: World, route: Route, *, rounds: int, seconds: int, say: Callable[[str], None]) -> list[Result]:
    """Load each contestant in turn: for its rate on all cores, then for its CPU with the load on a core of its own."""
    with running(world, route.contestants, route.route) as servers:
        requests = {server: _requests(world, route, server) for server in servers}
        for server in servers:
            server.warm_up(requests[server], connections=route.connections)
        plain: dict[Server, list[Round]] = {server: [] for server in servers}
        apart: dict[Server, list[Round]] = {server: [] for server in servers}
        for number in range(2 * rounds):
            taken = apart if number % 2 else plain
            for server in _in_turn(servers, number // 2):
                if route.cold and server.contestant.is_ours:
                    world.forget_accounts()
                one = server.load(
                    requests[server],
                    connections=route.connections,
                    seconds=seconds * route.longer,
                    apart=taken is apart,
                )
                _require_good(route, server, one, len(requests[server]))
                taken[server].append(one)
            kind = "rates" if taken is plain else "CPU"
            say(f"{route.name}, {kind}, round {number // 2 + 1} of {rounds}: {_last(taken)} a second")
    return [Result(server.contestant.title, plain[server], apart[server]) for server in servers]


def flood(
    world: World, *, rounds: int, seconds: int, say: Callable[[str], None]
) -> dict[str, list[tuple[Round, Round]]]:
    """Measure `me` with and without a flood of logins, of ours and of stock DRF."""
    shown: dict[str, list[tuple[Round, Round]]] = {}
    with running(world, (OURS, STOCK), "me") as servers:
        for number in range(rounds):
            for server in _in_turn(servers, number):
                me = world.requests(server.contestant, "me", world.people[:WARM])
                logins = world.requests(server.contestant, "login", world.people[:WARM])
                quiet = server.load(me, connections=LOGIN_CONNECTIONS, seconds=seconds)
                wave = server.loader(logins, connections=2 * LOGIN_CONNECTIONS, seconds=seconds + 1)
                flooded = server.load(me, connections=LOGIN_CONNECTIONS, seconds=seconds)
                wave.result()
                shown.setdefault(server.contestant.title, []).append((quiet, flooded))
                say(
                    f"flood, round {number + 1} of {rounds}: {server.contestant.title}, "
                    f"p99 {quiet.p99:.1f} ms without, {flooded.p99:.1f} ms with"
                )
    return shown


@contextmanager
def running(world: World, contestants: Sequence[Contestant], route: str) -> Iterator[list[Server]]:
    """Run these servers until the end of the block."""
    with ExitStack() as stack:
        servers = []
        for contestant in contestants:
            servers.append(server := Server(contestant, world.environment(contestant)))
            stack.callback(server.stop)
        for server in servers:
            server.wait(world.requests(server.contestant, route, world.people[:1])[0])
        yield servers


def _requests(world: World, route: Route, server: Server) -> list[bytes]:
    people = world.people if route.cold else world.people[:WARM]
    if route.route == "users":
        people = [person for person in people if person.is_admin]
    return world.requests(server.contestant, route.route, people)


def _last(taken: Mapping[Server, Sequence[Round]]) -> str:
    return ", ".join(
        f"{server.contestant.title.partition(',')[0]} {rounds[-1].rate:,.0f}" for server, rounds in taken.items()
    )


def _in_turn(servers: Sequence[Server], number: int) -> list[Server]:
    """Return the servers so that whoever comes first in one round comes last in another."""
    first = number % len(servers)
    return [*servers[first:], *servers[:first]]


def _require_good(route: Route, server: Server, one: Round, prepared: int) -> None:
    if one.refused:
        raise SystemExit(f"{route.name}: {server.contestant.title} refused {one.refused} of {one.requests} requests.")
    if route.cold and server.contestant.is_ours and one.requests > prepared:
        raise SystemExit(
            f"{route.name}: of {one.requests} requests some met somebody warm; there are {prepared} people."
        )
