"""What the checker knows of the value of an expression: enough to tell a queryset from a list."""

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Origin(Enum):
    """Where a queryset or manager comes from."""

    MODEL = "a model's manager"
    RELATED = "a row's related manager"
    SELECTOR = "a selector"
    GIVEN = "a parameter"


@dataclass(frozen=True, slots=True)
class Named:
    """A module, class, function or constant, by the full name under which it is defined."""

    name: str


@dataclass(frozen=True, slots=True)
class Instance:
    """An object of the class of this full name, or what the external function `name()` returned."""

    of: str


@dataclass(frozen=True, slots=True)
class Rows:
    """A manager or queryset.

    Args:
        model: The full name of its model; empty where unknown.
        origin: Where it comes from.
        kind: The full name of its own class; empty for Django's.
    """

    model: str
    origin: Origin
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Many:
    """A list, page, iterator or other collection."""

    of: "Values"


@dataclass(frozen=True, slots=True)
class Member:
    """An attribute or method of an object, not looked at further."""

    owner: Instance | Rows
    name: str


type Value = Named | Instance | Rows | Many | Member
# Alternatives, since branches meet; none means that nothing is known.
type Values = frozenset[Value]

UNKNOWN: Final[Values] = frozenset()
# A row of a model that is not known: `request.user`, the `instance` of a serializer.
SOME_ROW: Final = Instance("?")


def one(value: Value) -> Values:
    return frozenset((value,))


def items(values: Values) -> Values:
    """Return what iterating over any of the values yields."""
    found: Values = UNKNOWN
    for value in values:
        if isinstance(value, Rows):
            found |= one(Instance(value.model or "?"))
        elif isinstance(value, Many):
            found |= value.of
    return found


def many(values: Values) -> Values:
    return one(Many(values)) if values else UNKNOWN
