"""Views, consumers, tasks, serializers and DRF's hooks do not touch the ORM.

The incident: a permission class counted the rooms of a user by itself. The rule for closed rooms was added to the
selector, the permission went on counting them, and people were refused rooms that their list showed.

A queryset that a selector returned may be handed to a filter or the paginator, and to nothing else.

BAD (apps/rooms/views.py):
    from apps.rooms.models import Room

    def rooms(request):
        return [room.name for room in Room.objects.filter(is_open=True)]

GOOD (apps/rooms/views.py):
    from apps.rooms.selectors import RoomSelector

    def rooms(request):
        return [room.name for room in RoomSelector.open_rooms()]
"""

import ast
import re
from collections.abc import Iterator
from typing import Final

from layerline.contract.evaluation import MANAGERS
from layerline.contract.modules import Module
from layerline.contract.rule import Hit, Rule, Source, at
from layerline.contract.values import SOME_ROW, Instance, Member, Named, Origin, Rows, Value

DOORS: Final = frozenset(
    {
        "authentication",
        "consumers",
        "handlers",
        "permissions",
        "renderers",
        "requests",
        "serializers",
        "tasks",
        "throttling",
        "views",
    }
)
# They may run SQL on a queryset that they are given.
_NARROWERS: Final = frozenset({"filters", "pagination"})
_OTHER_HOOKS: Final = frozenset({"middleware", "parsers", "schema"})
_OWN: Final = frozenset({Origin.MODEL, Origin.RELATED})
_ROW_METHODS: Final = frozenset({"adelete", "arefresh_from_db", "asave", "delete", "refresh_from_db", "save"})
_SHORTCUTS: Final = frozenset(
    f"django.shortcuts.{prefix}get_{kind}_or_404" for prefix in ("", "a") for kind in ("object", "list")
)
_FILTER_OR_PAGINATOR: Final = re.compile(r"filter|paginat", re.IGNORECASE)
_GENERIC_VIEWS: Final = (
    "rest_framework.generics.",
    "rest_framework.viewsets.",
    "rest_framework.mixins.",
    "django.views.generic.",
)


def _applies(module: Module) -> bool:
    return module.is_slice and module.layer in DOORS | _NARROWERS | _OTHER_HOOKS


def _find(source: Source) -> Iterator[Hit]:
    may_query = source.module.layer in _NARROWERS
    for node in source.attributes():
        yield from _used(source, node, may_query=may_query)
    for call in source.calls():
        yield from _called(source, call, may_query=may_query)
    if not may_query:
        for iterated in _iterated(source.module):
            if _are_rows(source, iterated):
                yield at(iterated, "runs a queryset by walking through it")


def _used(source: Source, node: ast.Attribute, *, may_query: bool) -> Iterator[Hit]:
    if begins_query(source, node):
        yield at(node, f"queries by itself through `.{node.attr}`")
    for value in source.value(node):
        if isinstance(value, Member) and not may_query:
            yield from _member(node, value)


def begins_query(source: Source, node: ast.Attribute) -> bool:
    """Tell whether an attribute is where a query starts: a model's manager, or a row's relation to other rows."""
    definitions = source.project.definitions
    starts = any(isinstance(value, Rows) and value.origin in _OWN for value in source.value(node))
    return starts and (
        node.attr in MANAGERS
        or any(
            isinstance(owner, Named)
            or (isinstance(owner, Instance) and (owner == SOME_ROW or definitions.is_model(owner.of)))
            for owner in source.value(node.value)
        )
    )


def _member(node: ast.Attribute, member: Member) -> Iterator[Hit]:
    match member:
        case Member(owner=Rows(origin=Origin.SELECTOR | Origin.GIVEN), name=name):
            yield at(node, f"goes on querying with `.{name}`")
        case Member(owner=Instance(of=row), name=name) if name in _ROW_METHODS and row == "?":
            yield at(node, f"calls `.{name}` on a row")


def _called(source: Source, call: ast.Call, *, may_query: bool) -> Iterator[Hit]:
    definitions = source.project.definitions
    for value in source.value(call.func):
        match value:
            case Member(owner=Instance(of=owner), name=name):
                if name in _ROW_METHODS and owner != "?" and definitions.is_model(owner):
                    yield at(call, f"calls `.{name}` on a row")
                elif name == "save" and definitions.is_model_serializer(owner):
                    yield at(call, "lets a model serializer write")
                elif name == "get_object" and _is_inherited(source, owner, name):
                    yield at(call, "lets the generic view query for its object")
    names = source.names(call.func)
    if names & _SHORTCUTS:
        yield at(call, "queries for an object or a 404")
    elif any(name.startswith("django.db.connection") for name in names):
        yield at(call, "speaks to the database")
    arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
    if not may_query and not _is_welcome(source, call) and any(_are_rows(source, node) for node in arguments):
        yield at(call, "hands a queryset to what is neither a filter nor the paginator")


def _is_inherited(source: Source, owner: str, method: str) -> bool:
    definitions = source.project.definitions
    return definitions.is_a(owner, "generic view", _is_generic_view) and definitions.method(owner, method) is None


def _is_generic_view(name: str) -> bool:
    return name.startswith(_GENERIC_VIEWS)


def _are_rows(source: Source, node: ast.expr) -> bool:
    return any(_is_lent(value) for value in source.value(node))


def _is_lent(value: Value) -> bool:
    return isinstance(value, Rows) and value.origin in {Origin.SELECTOR, Origin.GIVEN}


def _is_welcome(source: Source, call: ast.Call) -> bool:
    """Tell whether a queryset may be an argument: of a filter, the paginator, or a function looked at itself."""
    leaf = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if _FILTER_OR_PAGINATOR.search(leaf):
        return True
    if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Call):
        # `super().get_queryset(…)` and the like.
        return getattr(call.func.value.func, "id", "") == "super"
    return any(source.project.definitions.function(name) for name in source.names(call.func)) or leaf == "cast"


def _iterated(module: Module) -> Iterator[ast.expr]:
    for node in module.of(ast.For, ast.AsyncFor, ast.comprehension):
        if isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
            yield node.iter
    for node in module.of(ast.Starred, ast.Subscript):
        if isinstance(node, ast.Starred | ast.Subscript):
            yield node.value


RULE: Final = Rule(
    name="orm-in-door",
    doc=__doc__,
    mend="call a selector to read or a service to write",
    applies=_applies,
    find=_find,
)
