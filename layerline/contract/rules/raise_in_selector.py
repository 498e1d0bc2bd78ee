"""A selector raises "not found" or "forbidden", and nothing else.

The incident: a selector raised a conflict when a room was full. The list of rooms used the same selector and answered
409 as soon as one room was full.

BAD (apps/rooms/selectors.py):
    class RoomSelector:
        @staticmethod
        def by_name(*, name: str) -> str:
            raise ValueError(name)

GOOD (apps/rooms/selectors.py):
    from apps.common.exceptions import NotFoundError

    class RoomSelector:
        @staticmethod
        def by_name(*, name: str) -> str:
            raise NotFoundError
"""

import ast
from collections.abc import Iterator
from typing import Final

from layerline.contract.rule import Hit, Rule, Source, at, in_layers
from layerline.contract.values import Instance, Named

_ALLOWED: Final = frozenset({"Forbidden", "ForbiddenError", "NotFound", "NotFoundError"})


def _find(source: Source) -> Iterator[Hit]:
    for node in source.module.of(ast.Raise):
        if not isinstance(node, ast.Raise) or node.exc is None:
            continue
        for value in source.value(node.exc):
            match value:
                case Named(name=name) | Instance(of=name) if not _is_allowed(source, name):
                    yield at(node, f"raises `{name.rpartition('.')[2]}`")


def _is_allowed(source: Source, name: str) -> bool:
    """Tell whether it is a domain error of the right kind; DRF's own `NotFound` is none."""
    return any(
        ancestor.rpartition(".")[2] in _ALLOWED and source.project.layout.place(ancestor).layer == "exceptions"
        for ancestor in source.project.definitions.ancestors(name)
    )


RULE: Final = Rule(
    name="raise-in-selector",
    doc=__doc__,
    mend="return None or raise `NotFoundError` or `ForbiddenError`; what decides belongs into a service",
    applies=in_layers("selectors"),
    find=_find,
)
