"""How a slice declares, in its `tests/routes.py`, who may do what at each of its addresses."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from apps.common.types import Actor

type Statuses = dict[str, int]
type Table = dict[str, Statuses]

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
# `user` is somebody else than the one to whom the row in the address belongs, `owner` the very one; where no row
# stands in the address the two are the same.
CALLERS: Final = ("anonymous", "user", "owner", "moderator", "admin")


@dataclass(frozen=True, slots=True)
class Call:
    """One request of the table, as a body may depend on it.

    Args:
        refresh: The owner's refresh token.
    """

    caller: str
    method: str
    refresh: str


def _nothing(_: object) -> dict[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class Route:
    """Who gets which answer at an address. What is not declared is 405, whoever asks.

    Args:
        table: The statuses by method, by caller.
        address: Makes the rows that the address names, of this owner, and returns the values of its placeholders.
        body: Returns a body that is good, so that nothing but the caller decides.
    """

    table: Table
    address: Callable[[Actor], Mapping[str, Any]] = _nothing
    body: Callable[[Call], Mapping[str, Any]] = _nothing


def everyone(**statuses: int) -> Table:
    return dict.fromkeys(CALLERS, statuses)


def signed_in(**statuses: int) -> Table:
    return everyone(**statuses) | {"anonymous": dict.fromkeys(statuses, 401)}


def only(allowed: set[str], **statuses: int) -> Table:
    forbidden = dict.fromkeys(statuses, 403)
    table = {caller: statuses if caller in allowed else forbidden for caller in CALLERS}
    return table | {"anonymous": dict.fromkeys(statuses, 401)}


def together(*tables: Table) -> Table:
    """Return one table of those of several methods at the same address."""
    return {
        caller: {method: status for table in tables for method, status in table[caller].items()} for caller in CALLERS
    }
