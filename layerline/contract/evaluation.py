"""What an expression is, from what its parts are."""

import ast
from typing import TYPE_CHECKING, Any, Final

from layerline.contract.definitions import FunctionInfo
from layerline.contract.values import (
    SOME_ROW,
    UNKNOWN,
    Instance,
    Many,
    Member,
    Named,
    Origin,
    Rows,
    Value,
    Values,
    items,
    many,
    one,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from layerline.contract.flow import Flow, Scope

MANAGERS: Final = frozenset({"objects", "_default_manager", "_base_manager"})
# What calls give back what they were given, or the result of it.
_TRANSPARENT: Final = frozenset(
    {
        "asgiref.sync.async_to_sync",
        "asgiref.sync.sync_to_async",
        "channels.db.database_sync_to_async",
        "copy.copy",
        "copy.deepcopy",
        "functools.partial",
    }
)
_TO_COLLECTION: Final = frozenset(
    f"builtins.{name}" for name in ("list", "tuple", "set", "frozenset", "sorted", "iter", "reversed")
)
_KNOWN_CALLS: Final = ("asgiref.", "builtins.", "channels.db.", "copy.", "functools.", "typing.")
_ONE_ROW: Final = frozenset({"create", "earliest", "first", "get", "last", "latest"})
_MORE_ROWS: Final = frozenset({"get_or_create", "get_queryset"})
_ROW_AND_FLAG: Final = frozenset({"get_or_create", "update_or_create"})
_COLLECTIONS_OF_ROWS: Final = frozenset({"bulk_create", "iterator"})
_NO_ROWS: Final = frozenset(
    {"aggregate", "bulk_update", "contains", "count", "delete", "exists", "explain", "in_bulk", "update"}
)
_REQUESTS: Final = ("django.http.", "django.core.handlers.", "rest_framework.request.")
_LONGEST_NAME: Final = 200


class Evaluation:
    """Works out the expressions of one module, each once, in the order in which they run."""

    def __init__(self, flow: "Flow") -> None:
        self._flow = flow
        self._definitions = flow.definitions
        self._handlers: dict[type[ast.expr], Callable[[Any, Scope], Values]] = {
            ast.Name: self._name,
            ast.Attribute: self._attribute,
            ast.Call: self._call,
            ast.Subscript: self._subscript,
            ast.Await: lambda node, scope: self.value(node.value, scope),
            ast.Starred: lambda node, scope: self.value(node.value, scope),
            ast.IfExp: self._either,
            ast.BoolOp: lambda node, scope: _union(self.value(part, scope) for part in node.values),
            ast.BinOp: self._operation,
            ast.NamedExpr: self._walrus,
            ast.List: self._display,
            ast.Tuple: self._display,
            ast.Set: self._display,
            ast.ListComp: self._comprehension,
            ast.SetComp: self._comprehension,
            ast.GeneratorExp: self._comprehension,
            ast.DictComp: self._comprehension,
            ast.Lambda: self._lambda,
            ast.Constant: lambda node, _: one(Instance(f"builtins.{type(node.value).__name__}")),
        }

    def value(self, node: ast.expr, scope: "Scope") -> Values:
        """Work out an expression, and remember the values of all its parts."""
        handler = self._handlers.get(type(node), self._parts)
        value = handler(node, scope)
        self._flow.values[node] = value
        return value

    def _parts(self, node: ast.expr, scope: "Scope") -> Values:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.value(child, scope)
        return UNKNOWN

    def _name(self, node: ast.Name, scope: "Scope") -> Values:
        if node.id in scope.names:
            return scope.names[node.id]
        bound = self._definitions.binds(self._flow.module, node.id)
        return one(Named(bound or f"builtins.{node.id}"))

    def _attribute(self, node: ast.Attribute, scope: "Scope") -> Values:
        return _union(self._member(owner, node.attr) for owner in self.value(node.value, scope))

    def _member(self, owner: Value, name: str) -> Values:
        match owner:
            case Named():
                return self._of_name(owner, name)
            case Instance():
                return self._of_instance(owner, name)
            case Rows():
                return one(Member(owner, name))
            case Member():
                return one(Member(Instance(_shown(owner)), name)) if isinstance(owner.owner, Instance) else UNKNOWN
        return UNKNOWN

    def _of_name(self, owner: Named, name: str) -> Values:
        info = self._definitions.class_(owner.name)
        if info is None:
            leaf = owner.name.rpartition(".")[2]
            if name in MANAGERS and (leaf[:1].isupper() or owner.name == "?"):
                return one(Rows(owner.name, Origin.MODEL))
            return one(Named(self._definitions.resolve(f"{owner.name}.{name}")))
        method = self._definitions.method(owner.name, name)
        if method is not None:
            return one(Named(method.name))
        found = self._class_attribute(owner.name, name)
        if name in MANAGERS:
            kind = next((value.kind for value in found if isinstance(value, Rows)), "")
            return one(Rows(owner.name, Origin.MODEL, kind))
        if self._definitions.is_model(owner.name):
            found = frozenset(_of_model(value, owner.name) for value in found)
        return found or one(Named(f"{owner.name}.{name}"))

    def _class_attribute(self, owner: str, name: str) -> Values:
        for ancestor in self._definitions.ancestors(owner):
            info = self._definitions.class_(ancestor)
            if info is None:
                continue
            known = self._flow.flow_of(info.module).attributes.get((ancestor, name))
            if known:
                return known
        return UNKNOWN

    def _of_instance(self, owner: Instance, name: str) -> Values:
        if name == "user" and owner.of.startswith(_REQUESTS):
            return one(SOME_ROW)
        if self._definitions.class_(owner.of) is None:
            return self._related(owner, name) or one(Member(owner, name))
        method = self._definitions.method(owner.of, name)
        if method is not None:
            return self._result(method) if _is_property(method) else one(Member(owner, name))
        if name == "request" and not self._definitions.attribute(owner.of, name):
            return one(Instance("rest_framework.request.Request"))
        return self._related(owner, name) or self._class_attribute(owner.of, name) or one(Member(owner, name))

    def _related(self, owner: Instance, name: str) -> Values:
        """Return the rows, or the row, that a row's attribute leads to."""
        if owner != SOME_ROW and not self._definitions.is_model(owner.of):
            return UNKNOWN
        found = self._definitions.attribute(owner.of, name)
        match found:
            case (info, _, ast.Call(func=ast.Attribute(attr="ForeignKey" | "OneToOneField")) as field):
                return one(Instance(self._definitions.target(info, field) or "?"))
        model = self._definitions.rows_at(owner.of, name)
        return UNKNOWN if model is None else one(Rows(model, Origin.RELATED))

    def _call(self, node: ast.Call, scope: "Scope") -> Values:
        functions = self.value(node.func, scope)
        arguments = [self.value(argument, scope) for argument in node.args]
        for keyword in node.keywords:
            self.value(keyword.value, scope)
        if isinstance(node.func, ast.Name) and node.func.id == "super" and scope.owner:
            return self._super(scope)
        return _union(self._called(function, node, arguments) for function in functions)

    def _super(self, scope: "Scope") -> Values:
        info = self._definitions.class_(scope.owner)
        base = info.bases[0] if info and info.bases else ""
        if self._definitions.is_rows(scope.owner):
            return one(Rows("", Origin.GIVEN, base))
        return one(Instance(base)) if base else UNKNOWN

    def _called(self, function: Value, node: ast.Call, arguments: list[Values]) -> Values:
        match function:
            case Named():
                return self._called_by_name(function.name, node, arguments)
            case Member(owner=Rows() as rows, name=name):
                return self._queried(rows, name)
            case Member(owner=Instance() as owner, name=name):
                method = self._definitions.method(owner.of, name)
                return self._result(method) if method else one(_result_of(f"{owner.of}.{name}"))
            case Instance():
                method = self._definitions.method(function.of, "__call__")
                return self._result(method) if method else UNKNOWN
            case Many() | Rows() | Member():
                return UNKNOWN

    def _called_by_name(self, name: str, node: ast.Call, arguments: list[Values]) -> Values:
        if name == "django.contrib.auth.get_user_model":
            return one(Named("?"))
        if not arguments or not name.startswith(_KNOWN_CALLS):
            return self._made(name)
        first = arguments[0]
        if name == "typing.cast":
            return self._flow.annotations.value(node.args[0]) or arguments[-1]
        if name == "builtins.type":
            return frozenset(Named(value.of) for value in first if isinstance(value, Instance))
        known = {"builtins.next": items(first), **dict.fromkeys(_TRANSPARENT, first)}
        known |= dict.fromkeys(_TO_COLLECTION, many(items(first)))
        return known[name] if name in known else self._made(name)

    def _made(self, name: str) -> Values:
        if name == "?":
            return one(SOME_ROW)
        if self._definitions.class_(name) is None:
            function = self._flow.local_functions.get(name) or self._definitions.function(name)
            if function is not None:
                return self._result(function)
            manager, _, last = name.rpartition(".")
            if last == "as_manager" or self._definitions.is_rows(name):
                return one(Rows("", Origin.GIVEN, manager if last == "as_manager" else ""))
            leaf = last.lstrip("_")
            return one(Instance(name)) if leaf[:1].isupper() else one(_result_of(name))
        return one(Rows("", Origin.GIVEN, name)) if self._definitions.is_rows(name) else one(Instance(name))

    def _result(self, function: FunctionInfo) -> Values:
        result = self._flow.flow_of(function.module).result(function)
        if function.module is self._flow.module:
            return result
        # What another module hands out is lent, whatever it was there.
        origin = Origin.SELECTOR if function.module.layer == "selectors" else Origin.GIVEN
        return frozenset(
            Rows(value.model, origin, value.kind) if isinstance(value, Rows) else value for value in result
        )

    def _queried(self, rows: Rows, method: str) -> Values:
        # An asynchronous method is its synchronous twin with an `a` before it.
        name = method[1:] if method[1:] in _ONE_ROW | _ROW_AND_FLAG | _COLLECTIONS_OF_ROWS | _NO_ROWS else method
        # `get_by_natural_key` and the like, of managers that are not of the project.
        own = self._definitions.method(rows.kind, method) if rows.kind else None
        if name in _ONE_ROW or (own is None and name.startswith("get_") and name not in _MORE_ROWS):
            return one(Instance(rows.model or "?"))
        if name in _ROW_AND_FLAG | _COLLECTIONS_OF_ROWS:
            return many(one(Instance(rows.model or "?")))
        if name in _NO_ROWS:
            return UNKNOWN
        result = self._result(own) if own else UNKNOWN
        if result:
            return frozenset(
                Rows(value.model or rows.model, rows.origin, value.kind) if isinstance(value, Rows) else value
                for value in result
            )
        return one(rows)

    def _subscript(self, node: ast.Subscript, scope: "Scope") -> Values:
        value = self.value(node.value, scope)
        self.value(node.slice, scope)
        if isinstance(node.slice, ast.Slice):
            return value
        if isinstance(node.slice, ast.Constant) and node.slice.value == "user":
            # `self.scope["user"]` of a consumer.
            return one(SOME_ROW) if isinstance(node.value, ast.Attribute) and node.value.attr == "scope" else UNKNOWN
        return items(value)

    def _either(self, node: ast.IfExp, scope: "Scope") -> Values:
        self.value(node.test, scope)
        return self.value(node.body, scope) | self.value(node.orelse, scope)

    def _operation(self, node: ast.BinOp, scope: "Scope") -> Values:
        both = self.value(node.left, scope) | self.value(node.right, scope)
        return frozenset(value for value in both if isinstance(value, Rows | Many))

    def _walrus(self, node: ast.NamedExpr, scope: "Scope") -> Values:
        value = self.value(node.value, scope)
        self._flow.bind(node.target, value, scope)
        return value

    def _display(self, node: ast.List | ast.Tuple | ast.Set, scope: "Scope") -> Values:
        return many(_union(self.value(part, scope) for part in node.elts))

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, scope: "Scope"
    ) -> Values:
        inner = self._inside(scope)
        for part in node.generators:
            self._flow.bind(part.target, items(self.value(part.iter, inner)), inner)
            for condition in part.ifs:
                self.value(condition, inner)
        if isinstance(node, ast.DictComp):
            self.value(node.key, inner)
            self.value(node.value, inner)
            return UNKNOWN
        return many(self.value(node.elt, inner))

    def _lambda(self, node: ast.Lambda, scope: "Scope") -> Values:
        inner = self._inside(scope)
        for parameter in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
            inner.names[parameter.arg] = UNKNOWN
        self.value(node.body, inner)
        return UNKNOWN

    def _inside(self, scope: "Scope") -> "Scope":
        return type(scope)(dict(scope.names), scope.owner, scope.function, scope.prefix)


def _union(values: Any) -> Values:
    return frozenset().union(*values)


def _shown(member: Member) -> str:
    owner = member.owner.of if isinstance(member.owner, Instance) else member.owner.model
    return f"{owner}.{member.name}"[:_LONGEST_NAME]


def _result_of(name: str) -> Instance:
    return Instance(f"{name}()"[:_LONGEST_NAME])


def _of_model(value: Value, model: str) -> Value:
    return Rows(model, Origin.MODEL, value.kind) if isinstance(value, Rows) else value


def _is_property(method: FunctionInfo) -> bool:
    names = (getattr(decorator, "attr", getattr(decorator, "id", "")) for decorator in method.node.decorator_list)
    return any(name in {"cached_property", "property"} for name in names)
