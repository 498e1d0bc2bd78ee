"""What a type annotation says of a value."""

import ast
from typing import Final

from layerline.contract.definitions import Definitions
from layerline.contract.modules import Module
from layerline.contract.values import UNKNOWN, Instance, Named, Origin, Rows, Values, many, one

_COLLECTIONS: Final = frozenset(
    {
        "AsyncGenerator",
        "AsyncIterable",
        "AsyncIterator",
        "Collection",
        "Generator",
        "Iterable",
        "Iterator",
        "Page",
        "Sequence",
        "frozenset",
        "list",
        "set",
        "tuple",
        "List",
        "Set",
        "Tuple",
    }
)
_WRAPPERS: Final = frozenset(
    {"Annotated", "Awaitable", "ClassVar", "Coroutine", "Final", "NotRequired", "Optional", "Required", "Union"}
)
_SAYS_NOTHING: Final = frozenset({"Any", "object", "None", "Self"})


class Annotations:
    """Reads the annotations of one module."""

    def __init__(self, module: Module, definitions: Definitions) -> None:
        self._module = module
        self._definitions = definitions

    def value(self, node: ast.expr | None) -> Values:
        """Return what a value of this annotation is; nothing where the annotation says nothing."""
        match node:
            case ast.Name() | ast.Attribute():
                return self._plain(node)
            case ast.Constant(value=str(text)):
                return self._quoted(text)
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return self.value(left) | self.value(right)
            case ast.Subscript(value=outer, slice=inner):
                return self._generic(outer, inner)
        return UNKNOWN

    def _quoted(self, text: str) -> Values:
        try:
            return self.value(ast.parse(text, mode="eval").body)
        except (SyntaxError, ValueError, RecursionError):
            return UNKNOWN

    def full_name(self, node: ast.expr) -> str:
        """Return the full name of a type; that of a builtin as `builtins.int`, and empty where it has none."""
        name = self._definitions.full_name(self._module, node)
        if name is None and isinstance(node, ast.Name):
            return f"builtins.{node.id}"
        return name or ""

    def _plain(self, node: ast.expr) -> Values:
        name = self.full_name(node)
        if not name or name.rpartition(".")[2] in _SAYS_NOTHING:
            return UNKNOWN
        if self._definitions.is_rows(name):
            return one(Rows("", Origin.GIVEN, name if self._definitions.class_(name) else ""))
        return one(Instance(name))

    def _generic(self, outer: ast.expr, inner: ast.expr) -> Values:
        name = self.full_name(outer)
        leaf = name.rpartition(".")[2]
        parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        if leaf in _WRAPPERS:
            return frozenset().union(*(self.value(part) for part in parts))
        if leaf in _COLLECTIONS:
            return many(frozenset().union(*(self.value(part) for part in parts)))
        if leaf in {"type", "Type"}:
            return frozenset(Named(value.of) for value in self.value(parts[0]) if isinstance(value, Instance))
        if self._definitions.is_rows(name):
            model = next((value.of for value in self.value(parts[0]) if isinstance(value, Instance)), "")
            return one(Rows(model, Origin.GIVEN, name if self._definitions.class_(name) else ""))
        return one(Instance(name)) if name else UNKNOWN
