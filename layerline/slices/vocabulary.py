"""The names that the files of every slice use, so that no slice takes one of them for something else.

They are read from the templates: a slice all of whose own names are marked is filled in, and whatever else is named in
it is taken.
"""

import ast
import builtins
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from django.db.models import Model
from django_filters import FilterSet
from factory.django import DjangoModelFactory
from rest_framework.serializers import Serializer

from layerline.slices import names, plan, rendering
from layerline.slices.errors import SliceError
from layerline.slices.plan import Slice

_SLICE: Final = "guardposts"
_MODEL: Final = "Sentinel"
_ONE: Final = "sentinel"
_FIELD: Final = "marked"
_FIELDS: Final = (
    *(f"{_FIELD}_{kind}:{kind}" for kind in ("str", "text", "int", "bool", "date", "datetime", "uuid", "email", "url")),
    *(f"{_FIELD}_{kind}:{kind}?" for kind in ("decimal", "json")),
    f"{_FIELD}_choice:choice:{_FIELD}_a|{_FIELD}_b",
    f"{_FIELD}_ref:ref:users.User",
)
_MARKS: Final = (_SLICE, _ONE, _FIELD)
# Parameters that every list has, the manager that a model gets by itself, and what `create` takes besides the fields.
_OTHER_ATTRIBUTES: Final = frozenset({"page", "page_size", "search", "format", "objects", "actor"})


def check(slice_: Slice) -> None:
    """Refuse a slice one of whose names means something else in its files already.

    Raises:
        SliceError: If there is one.
    """
    derived = _derived(slice_)
    taken = derived & _words()
    if slice_.socket:
        # What a frame calls the row.
        taken |= {slice_.one} & _attributes()
    for name in sorted(derived):
        if hasattr(builtins, name):
            raise SliceError(f"{name!r} is a name of Python's own. Choose another name for the model.")
    if taken:
        raise SliceError(
            f"{slice_.name} {slice_.model}: the files of a slice use {', '.join(sorted(taken))} for something else. "
            "Choose another name for the model or the slice."
        )
    for field in slice_.fields:
        hidden = _attributes() & {field.name, field.wire, *field.parameters}
        if hidden:
            raise SliceError(
                f"A field cannot be called {field.name!r}: {', '.join(sorted(hidden))} means something else already. "
                "Choose another name."
            )
        if field.enum in _words() | derived:
            raise SliceError(
                f"The choices of {field.name!r} would be called {field.enum}, which means something else already. "
                "Choose another name."
            )


def _derived(slice_: Slice) -> set[str]:
    """Return every name that the files of this slice make of its model's and its own."""
    replacements = {
        names.camel(_SLICE): slice_.camel,
        _MODEL: slice_.model,
        _ONE.upper(): slice_.one.upper(),
        _ONE: slice_.one,
    }
    derived = set()
    for name in _identifiers():
        if _FIELD not in name.lower() and any(mark in name.lower() for mark in _MARKS):
            for marked, own in replacements.items():
                name = name.replace(marked, own)  # noqa: PLW2901  # one mark after the other
            derived.add(name)
    return derived


@lru_cache(maxsize=1)
def _words() -> frozenset[str]:
    """Return every identifier of the templates that is not a slice's own."""
    return frozenset(name for name in _identifiers() if not any(mark in name.lower() for mark in _MARKS))


@lru_cache(maxsize=1)
def _attributes() -> frozenset[str]:
    """Return the names that a class in which fields stand has already, or looks for right in its body."""
    taken = {*dir(Model), *dir(Serializer(data={})), *dir(FilterSet), *dir(DjangoModelFactory), *dir(builtins)}
    for tree in _trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                scope = set(_in_scope(node.body))
                taken |= scope if any(name.startswith(_FIELD) for name in scope) else set()
    return frozenset(name for name in taken | _OTHER_ATTRIBUTES if not any(mark in name.lower() for mark in _MARKS))


@lru_cache(maxsize=1)
def _trees() -> list[ast.Module]:
    marked = plan.parse(_SLICE, [_MODEL, *_FIELDS], socket=True)
    return [ast.parse(text) for text in rendering.drafts(marked).values()]


@lru_cache(maxsize=1)
def _identifiers() -> frozenset[str]:
    return frozenset(name for tree in _trees() for name in _named_in(tree))


def _named_in(node: ast.AST, *, of_class: bool = False) -> Iterator[str]:
    """Yield every name that stands by itself; methods and attributes stand behind a point.

    Args:
        of_class: Whether what is named right here becomes an attribute.
    """
    match node:
        case ast.Name(id=name, ctx=context):
            if not (of_class and isinstance(context, ast.Store)):
                yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            if not of_class:
                yield name
        case ast.ClassDef(name=name) | ast.arg(arg=name):
            yield name
        case ast.alias(name=name, asname=other):
            yield other or name.partition(".")[0]
    of_class = isinstance(node, ast.ClassDef) or (of_class and isinstance(node, ast.Assign | ast.AnnAssign))
    for child in ast.iter_child_nodes(node):
        yield from _named_in(child, of_class=of_class)


def _in_scope(nodes: list[ast.stmt]) -> Iterator[str]:
    """Yield the names that are set or looked for right in a class, and not in what stands inside of it."""
    for node in nodes:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case _:
                yield from (part.id for part in ast.walk(node) if isinstance(part, ast.Name))
