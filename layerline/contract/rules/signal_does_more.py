"""Signals keep the cache in step with the rows, and do nothing else.

The incident: a receiver of `post_save` opened a default room for each new account. The import of a customer's accounts
ran it forty thousand times, inside one transaction, and no reader of the import could see why.

A receiver may call selectors, the cache of infrastructure, and `transaction.on_commit`.

BAD (apps/rooms/signals.py):
    from apps.rooms.models import Room

    def open_default_room(instance, **_):
        Room.objects.create(owner_id=instance.pk)

GOOD (apps/rooms/signals.py):
    from infrastructure.cache import RowCache

    room_cache = RowCache("rooms")

    def forget_room(instance, **_):
        room_cache.forget([instance.pk])
"""

import ast
from collections.abc import Iterator
from typing import Final

from layerline.contract.rule import Hit, Rule, Source, at, in_layers
from layerline.contract.rules.orm_in_door import begins_query
from layerline.contract.values import Instance, Member, Named, Value

_LAYERS: Final = frozenset({"enums", "exceptions", "fields", "managers", "models", "selectors", "signals", "types"})
_WRITES: Final = frozenset({"adelete", "asave", "delete", "save"})


def _find(source: Source) -> Iterator[Hit]:
    for node in source.attributes():
        if begins_query(source, node):
            yield at(node, f"queries or writes through `.{node.attr}`")
    for call in source.calls():
        for value in source.value(call.func):
            what = _does_more(source, value)
            if what:
                yield at(call, what)
    yield from _changed(source)


def _does_more(source: Source, value: Value) -> str | None:
    match value:
        case Named(name=name):
            return _beyond(source, name)
        case Member(owner=Instance(of=owner), name=method):
            if method in _WRITES and (owner == "?" or source.project.definitions.is_model(owner)):
                return f"writes with `.{method}`"
            return _beyond(source, owner)
    return None


def _beyond(source: Source, name: str) -> str | None:
    layout = source.project.layout
    for package in layout.infrastructure:
        if name.startswith(f"{package}."):
            inner = name.removeprefix(f"{package}.").partition(".")[0]
            return None if inner == "cache" else f"uses `{package}.{inner}`"
    layer = layout.place(name).layer
    return f"calls `{name}`" if layer and layer not in _LAYERS else None


def _changed(source: Source) -> Iterator[Hit]:
    """Find `instance.name = …`: the row that is saved is another than the one that was to be saved."""
    for node in source.attributes():
        match node:
            case ast.Attribute(value=ast.Name(id="instance"), ctx=ast.Store(), attr=attr):
                yield at(node, f"changes the row's `{attr}`")


RULE: Final = Rule(
    name="signal-does-more",
    doc=__doc__,
    mend="do it in the service that makes the change",
    applies=in_layers("signals"),
    find=_find,
)
