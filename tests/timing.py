"""Answers that must not tell by their time what they keep silent about, and how well a guess by time alone would do."""

import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import combinations, count
from statistics import median
from typing import Any, Final

from django.utils import timezone

from apps.users.models import User
from apps.users.tests.factories import PASSWORD, UserFactory
from apps.users.tests.support import signed_in

WARM_UP: Final = 20
_WRONG: Final = "not the one at all"

type Body = dict[str, str] | None
type Seconds = dict[str, list[float]]


@dataclass(frozen=True)
class Situation:
    """One address of the API, and bodies whose answers must look alike.

    Args:
        token: Whose access token all requests carry by the case's name; none for those that are not named.
    """

    path: str
    status: int
    cases: dict[str, Callable[[], Body]]
    tokens: dict[str, str]


def situation(name: str) -> Situation:
    """Make the accounts of a situation, and return it."""
    return _SITUATIONS[name]()


def _login() -> Situation:
    known, closed = _owner(), _owner(is_active=False)
    return Situation(
        "/api/v1/auth/login/",
        401,
        {
            "unknown": lambda: {"email": "nobody@example.com", "password": _WRONG},
            "wrong password": lambda: {"email": known.email, "password": _WRONG},
            "inactive": lambda: {"email": closed.email, "password": PASSWORD},
        },
        {},
    )


def _reset() -> Situation:
    known, closed = _owner(), _owner(is_active=False)
    emails = {"unknown": "nobody@example.com", "known": known.email, "inactive": closed.email}
    return Situation(
        "/api/v1/auth/password/reset/",
        202,
        {name: partial(dict, email=email) for name, email in emails.items()},
        {},
    )


def _registration() -> Situation:
    """For a server that does not disclose taken addresses."""
    taken, numbers = _owner(), count()

    def body(email: str) -> Body:
        return {"email": email, "name": "Ada", "password": PASSWORD, "phone": "+442079460000"}

    return Situation(
        "/api/v1/auth/register/",
        202,
        {"free": lambda: body(f"free{next(numbers):05}@example.com"), "taken": lambda: body(taken.email)},
        {},
    )


def _another_link() -> Situation:
    tokens = {"fresh": _token(_owner()), "confirmed": _token(_owner(email_verified_at=timezone.now()))}
    return Situation("/api/v1/auth/email/verify/resend/", 202, {name: lambda: None for name in tokens}, tokens)


def _change_of_address() -> Situation:
    taken, token = _owner(), _token(_owner())
    emails = {"free": "free00000@example.com", "taken": taken.email}
    return Situation(
        "/api/v1/auth/email/change/",
        202,
        {name: partial(dict, email=email, password=PASSWORD) for name, email in emails.items()},
        dict.fromkeys(emails, token),
    )


_SITUATIONS: Final[dict[str, Callable[[], Situation]]] = {
    "failed login": _login,
    "reset": _reset,
    "registration": _registration,
    "another link": _another_link,
    "change of address": _change_of_address,
}
NAMES: Final = tuple(_SITUATIONS)


def measure(given: Situation, samples: int, send: Callable[[str, Body, str | None], tuple[int, float]]) -> Seconds:
    """Return the seconds of each case's requests, sent in turn, in an order that is drawn for each round.

    Args:
        samples: Requests of each case, after some that warm up.
        send: Sends one request to the path, with the body and the token, and returns its status and its time.
    """
    order = random.Random(9457)
    seconds: Seconds = {name: [] for name in given.cases}
    for _ in range(WARM_UP + samples):
        for name in order.sample(list(given.cases), len(given.cases)):
            status, time = send(given.path, given.cases[name](), given.tokens.get(name))
            assert status == given.status
            seconds[name].append(time)
    return {name: times[WARM_UP:] for name, times in seconds.items()}


def auc(first: list[float], second: list[float]) -> float:
    """Return how well the best guess by time tells one of each apart: 0.5 is a coin, 1 is knowledge.

    The area under the ROC curve, as the rank statistic of Mann and Whitney.
    """
    ordered = sorted(second)
    below = sum(bisect_left(ordered, each) + bisect_right(ordered, each) for each in first) / 2
    area = below / (len(first) * len(second))
    return max(area, 1 - area)


def guesses(seconds: Seconds) -> dict[str, float]:
    """Return the guess for each pair of cases."""
    return {f"{one} / {other}": auc(seconds[one], seconds[other]) for one, other in combinations(seconds, 2)}


def chance(samples: int) -> float:
    """Return a limit that luck alone does not reach in ten thousand runs: four standard deviations above a coin."""
    deviation: float = ((2 * samples + 1) / (12 * samples * samples)) ** 0.5
    return 0.5 + 4 * deviation


def report(seconds: Seconds) -> str:
    """Return the medians and the guesses, for whoever looks on with `-s`."""
    medians = ", ".join(f"{name} {median(times) * 1_000:.3f} ms" for name, times in seconds.items())
    return f"{medians}; {', '.join(f'{pair} {area:.3f}' for pair, area in guesses(seconds).items())}"


def _owner(**values: Any) -> User:
    return UserFactory.create(phone="+442079460000", **values)


def _token(user: User) -> str:
    return signed_in(user).access
