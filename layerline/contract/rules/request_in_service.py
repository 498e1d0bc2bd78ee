"""Services and selectors know no request, no response and no status code.

The incident: a service read the client's address from `request.META`. The nightly task that called the same service had
no request, passed a hand-made one, and every account it touched was logged as coming from 127.0.0.1.

BAD (apps/rooms/services.py):
    class RoomService:
        @staticmethod
        def close(*, request: object, room_id: int) -> None:
            raise NotImplementedError

GOOD (apps/rooms/services.py):
    from apps.common.types import Actor

    class RoomService:
        @staticmethod
        def close(*, actor: Actor, room_id: int) -> None:
            raise NotImplementedError
"""

import ast
from collections.abc import Iterator
from typing import Final

from layerline.contract.modules import Module
from layerline.contract.rule import Hit, Rule, Source, at
from layerline.contract.values import Instance, Value

_LAYERS: Final = frozenset({"exceptions", "managers", "models", "selectors", "services", "types"})
_PARAMETERS: Final = frozenset({"http_request", "http_response", "http_status", "request", "response", "status_code"})
_TRANSPORT: Final = (
    "channels.",
    "django.core.handlers.",
    "django.http.",
    "django.template.response.",
    "rest_framework.",
)
_STATUS: Final = ("http.HTTPStatus", "rest_framework.status")


def _applies(module: Module) -> bool:
    return module.is_slice and module.layer in _LAYERS


def _find(source: Source) -> Iterator[Hit]:
    yield from _signatures(source)
    for node, name in source.references():
        if name.startswith(_STATUS):
            yield at(node, f"names the status `{name}`")
    if source.module.layer == "exceptions":
        yield from _statuses(source)


def _signatures(source: Source) -> Iterator[Hit]:
    annotations = source.project.flows.of(source.module).annotations
    for node in source.module.of(ast.arg, ast.FunctionDef, ast.AsyncFunctionDef):
        match node:
            case ast.arg(arg=name, lineno=line) if name in _PARAMETERS:
                yield Hit(f"takes `{name}`", line, line)
            case ast.arg(arg=name, annotation=kind, lineno=line) if any(map(_is_transport, annotations.value(kind))):
                yield Hit(f"takes `{name}` from the transport", line, line)
            case ast.FunctionDef(name=name, returns=kind) | ast.AsyncFunctionDef(name=name, returns=kind):
                if any(map(_is_transport, annotations.value(kind))):
                    yield at(node, f"`{name}` returns what belongs to the transport")


def _is_transport(value: Value) -> bool:
    return isinstance(value, Instance) and (value.of.startswith(_TRANSPORT) or value.of == "http.HTTPStatus")


def _statuses(source: Source) -> Iterator[Hit]:
    for node in source.classes():
        for part in node.body:
            match part:
                case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                    if name in {"http_status", "status_code"}:
                        yield at(part, f"`{node.name}` carries a status")


RULE: Final = Rule(
    name="request-in-service",
    doc=__doc__,
    mend="let the door take out what is needed, as an id or a plain value, and raise a domain error for a status",
    applies=_applies,
    find=_find,
)
