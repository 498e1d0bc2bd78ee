"""A queryset leaves a selector only where its method's name says so.

The incident: a selector returned a queryset, and each of its eleven callers narrowed it further. When the table grew,
nobody could say which queries ran on it, and no index served all of them.

A method whose name holds the word `listing` or `queryset` may return one, for a filter and the paginator. All others
return rows, lists or values.

BAD (apps/rooms/selectors.py):
    from django.db.models import QuerySet
    from apps.rooms.models import Room

    class RoomSelector:
        @staticmethod
        def open_rooms() -> QuerySet[Room]:
            return Room.objects.filter(is_open=True)

GOOD (apps/rooms/selectors.py):
    from apps.rooms.models import Room

    class RoomSelector:
        @staticmethod
        def open_rooms() -> list[Room]:
            return list(Room.objects.filter(is_open=True))
"""

import ast
from collections.abc import Iterator
from typing import Final

from layerline.contract.definitions import FunctionInfo
from layerline.contract.rule import Hit, Rule, Source, at, in_layers, public_methods
from layerline.contract.values import Rows

_WORDS: Final = frozenset({"listing", "listings", "queryset", "querysets"})


def _find(source: Source) -> Iterator[Hit]:
    functions = [(method, f"{node.name}.{method.name}") for node in source.classes() for method in public_methods(node)]
    functions += [
        (part, part.name)
        for part in source.module.tree.body
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef) and not part.name.startswith("_")
    ]
    flow = source.project.flows.of(source.module)
    for function, name in functions:
        result = flow.result(FunctionInfo(name, source.module, function))
        if any(isinstance(value, Rows) for value in result) and _WORDS.isdisjoint(function.name.split("_")):
            yield at(function, f"`{name}` lets a queryset out")


RULE: Final = Rule(
    name="queryset-leaves-selector",
    doc=__doc__,
    mend="return a list, or name it a `listing` if it is for a filter and the paginator",
    applies=in_layers("selectors"),
    find=_find,
)
