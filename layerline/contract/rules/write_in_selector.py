"""Selectors only read.

The incident: a selector marked messages as read while it fetched them. A cache was put in front of it, and from then on
messages were marked once in five minutes.

BAD (apps/rooms/selectors.py):
    from apps.rooms.models import Room

    class RoomSelector:
        @staticmethod
        def by_name(*, name: str) -> Room:
            room, _ = Room.objects.get_or_create(name=name)
            return room

GOOD (apps/rooms/selectors.py):
    from apps.rooms.models import Room

    class RoomSelector:
        @staticmethod
        def by_name(*, name: str) -> Room | None:
            return Room.objects.filter(name=name).first()
"""

import ast
import re
from collections.abc import Iterator
from typing import Final

from layerline.contract.rule import Hit, Rule, Source, at, in_layers
from layerline.contract.values import Instance, Member, Rows, Value

_ROWS_METHODS: Final = frozenset(
    {
        "add",
        "bulk_create",
        "bulk_update",
        "clear",
        "create",
        "create_superuser",
        "create_user",
        "delete",
        "get_or_create",
        "remove",
        "select_for_update",
        "set",
        "update",
        "update_or_create",
    }
)
_ROW_METHODS: Final = frozenset({"delete", "save"})
_TRANSACTION: Final = frozenset(
    f"django.db.transaction.{name}"
    for name in (
        "atomic",
        "commit",
        "rollback",
        "savepoint",
        "savepoint_commit",
        "savepoint_rollback",
        "set_autocommit",
    )
)
_WRITING_SQL: Final = re.compile(r"\s*(insert|update|delete|truncate|alter|create|drop|merge)\b", re.IGNORECASE)


def _find(source: Source) -> Iterator[Hit]:
    for node in source.attributes():
        for what in filter(None, (_writes(source, value) for value in source.value(node))):
            yield at(node, what)
    for expression, name in source.references():
        if name in _TRANSACTION:
            yield at(expression, "opens or steers a transaction")
    for call in source.calls():
        if _runs_writing_sql(call):
            yield at(call, "writes with SQL of its own")


def _writes(source: Source, value: Value) -> str | None:
    match value:
        case Member(owner=Rows(), name=name) if _written(name) in _ROWS_METHODS:
            return f"writes with `.{name}`"
        case Member(owner=Instance(of=owner), name=name) if _written(name) in _ROW_METHODS:
            return f"writes with `.{name}`" if owner == "?" or source.project.definitions.is_model(owner) else None
        case Member(name="select_for_update"):
            return "locks rows"
    return None


def _written(name: str) -> str:
    return name[1:] if name[1:] in _ROWS_METHODS | _ROW_METHODS else name


def _runs_writing_sql(call: ast.Call) -> bool:
    match call:
        case ast.Call(func=ast.Attribute(attr="execute" | "executemany"), args=[ast.Constant(value=str(sql)), *_]):
            return bool(_WRITING_SQL.match(sql))
    return False


RULE: Final = Rule(
    name="write-in-selector",
    doc=__doc__,
    mend="move the write, its lock and its transaction into a service",
    applies=in_layers("selectors"),
    find=_find,
)
