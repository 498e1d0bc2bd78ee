"""Follows values through a module, statement by statement, so that a rule can ask what an expression is."""

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from layerline.contract.annotations import Annotations
from layerline.contract.definitions import Definitions, FunctionInfo, imported_names
from layerline.contract.evaluation import Evaluation
from layerline.contract.modules import Function, Module
from layerline.contract.values import SOME_ROW, UNKNOWN, Instance, Many, Named, Origin, Rows, Values, items, one

type Environment = dict[str, Values]

_SOME_SERIALIZER: Final = Instance("rest_framework.serializers.ModelSerializer")
_SOME_REQUEST: Final = Instance("rest_framework.request.Request")
# Parameters that a framework fills in, for code without annotations.
_GIVEN_BY_NAME: Final = {"request": _SOME_REQUEST}
_GIVEN_TO: Final = {
    ("perform_create", "serializer"): _SOME_SERIALIZER,
    ("perform_update", "serializer"): _SOME_SERIALIZER,
    ("perform_destroy", "instance"): SOME_ROW,
    ("update", "instance"): SOME_ROW,
    ("to_representation", "instance"): SOME_ROW,
}


@dataclass(eq=False)
class Scope:
    """Where a statement stands: the names it sees, its class and its function."""

    names: Environment
    owner: str = ""
    function: Function | None = None
    prefix: str = ""


@dataclass(eq=False)
class Flow:
    """The values of all expressions of one module."""

    module: Module
    definitions: Definitions
    flow_of: Callable[[Module], "Flow"]
    values: dict[ast.expr, Values] = field(default_factory=dict)
    returned: dict[Function, Values] = field(default_factory=dict)
    # What methods assign to `self`, by class.
    attributes: dict[tuple[str, str], Values] = field(default_factory=dict)
    local_functions: dict[str, FunctionInfo] = field(default_factory=dict)
    # Set if an expression nests deeper than can be followed; what was worked out before stands.
    is_too_deep: bool = False
    _waiting: dict[Function, Scope] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.annotations = Annotations(self.module, self.definitions)
        self._evaluation = Evaluation(self)
        self._handlers: dict[type[ast.stmt], Callable[..., None]] = {
            ast.FunctionDef: self._function,
            ast.AsyncFunctionDef: self._function,
            ast.ClassDef: self._class,
            ast.Return: self._return,
            ast.Assign: self._assign,
            ast.AnnAssign: self._annotated,
            ast.AugAssign: self._augmented,
            ast.For: self._for,
            ast.AsyncFor: self._for,
            ast.While: self._while,
            ast.If: self._if,
            ast.With: self._with,
            ast.AsyncWith: self._with,
            ast.Try: self._try,
            ast.TryStar: self._try,
            ast.Match: self._match,
            ast.Import: self._import,
            ast.ImportFrom: self._import,
        }

    def run(self) -> None:
        """Work out everything: the top level first, then each function in the order of the source."""
        try:
            self._block(self.module.tree.body, Scope({}, prefix=self.module.name))
            while self._waiting:
                self._enter(next(iter(self._waiting)))
        except RecursionError:
            self.is_too_deep = True

    def result(self, info: FunctionInfo) -> Values:
        """Return what calling one of the module's functions gives: its annotation's value, else its returns'."""
        declared = self.annotations.value(info.node.returns)
        if declared:
            return declared
        if info.node in self._waiting:
            self._enter(info.node)
        return self.returned.get(info.node, UNKNOWN)

    def _enter(self, node: Function) -> None:
        outer = self._waiting.pop(node)
        names = dict(outer.names)
        scope = Scope(names, outer.owner, node, f"{outer.prefix}.{node.name}")
        for parameter in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
            names[parameter.arg] = self._given(parameter, node, outer.owner)
        for rest in (node.args.vararg, node.args.kwarg):
            if rest is not None:
                names[rest.arg] = UNKNOWN
        if outer.owner and node.args.args and not _is_static(node):
            names[node.args.args[0].arg] = one(self._self(node, outer.owner))
        self._block(node.body, scope)

    def _given(self, parameter: ast.arg, node: Function, owner: str) -> Values:
        value = self.annotations.value(parameter.annotation)
        if value or parameter.annotation is not None:
            return value
        if owner and (node.name, parameter.arg) in _GIVEN_TO:
            return one(_GIVEN_TO[node.name, parameter.arg])
        return one(_GIVEN_BY_NAME[parameter.arg]) if parameter.arg in _GIVEN_BY_NAME else UNKNOWN

    def _self(self, node: Function, owner: str) -> Instance | Named | Rows:
        if any(isinstance(decorator, ast.Name) and decorator.id == "classmethod" for decorator in node.decorator_list):
            return Named(owner)
        return Rows("", Origin.GIVEN, owner) if self.definitions.is_rows(owner) else Instance(owner)

    def _block(self, statements: Iterable[ast.stmt], scope: Scope) -> None:
        for statement in statements:
            handler = self._handlers.get(type(statement))
            if handler is not None:
                handler(statement, scope)
                continue
            for child in ast.iter_child_nodes(statement):
                if isinstance(child, ast.expr):
                    self._value(child, scope)

    def _value(self, node: ast.expr | None, scope: Scope) -> Values:
        return UNKNOWN if node is None else self._evaluation.value(node, scope)

    def _function(self, node: Function, scope: Scope) -> None:
        for expression in (*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)):
            self._value(expression, scope)
        full_name = f"{scope.prefix}.{node.name}"
        if scope.function is not None:
            self.local_functions[full_name] = FunctionInfo(full_name, self.module, node)
        scope.names[node.name] = one(Named(full_name))
        # A function sees what its surroundings bind later as well, so it is entered at the end.
        self._waiting[node] = scope

    def _class(self, node: ast.ClassDef, scope: Scope) -> None:
        for expression in (*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)):
            self._value(expression, scope)
        full_name = f"{scope.prefix}.{node.name}"
        scope.names[node.name] = one(Named(full_name))
        inner = Scope(dict(scope.names), full_name, scope.function, full_name)
        self._block(node.body, inner)
        for name, value in inner.names.items():
            if value and scope.names.get(name) != value:
                self.attributes[full_name, name] = self.attributes.get((full_name, name), UNKNOWN) | value
        # Methods do not see the names of their class.
        for part in node.body:
            if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef) and part in self._waiting:
                self._waiting[part] = Scope(scope.names, full_name, scope.function, full_name)

    def _return(self, node: ast.Return, scope: Scope) -> None:
        value = self._value(node.value, scope)
        if scope.function is not None:
            self.returned[scope.function] = self.returned.get(scope.function, UNKNOWN) | value

    def _assign(self, node: ast.Assign, scope: Scope) -> None:
        value = self._value(node.value, scope)
        for target in node.targets:
            self.bind(target, value, scope)

    def _annotated(self, node: ast.AnnAssign, scope: Scope) -> None:
        value = self._value(node.value, scope)
        self.bind(node.target, self.annotations.value(node.annotation) or value, scope)

    def _augmented(self, node: ast.AugAssign, scope: Scope) -> None:
        value = self._value(node.value, scope)
        if isinstance(node.target, ast.Name):
            scope.names[node.target.id] = scope.names.get(node.target.id, UNKNOWN) | value
        else:
            self._value(node.target, scope)

    def bind(self, target: ast.expr, value: Values, scope: Scope) -> None:
        """Give the names in an assignment's target their values."""
        match target:
            case ast.Name(id=name):
                scope.names[name] = value
            case ast.Starred(value=inner):
                self.bind(inner, one(Many(value)), scope)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                for part in parts:
                    self.bind(part, items(value), scope)
            case ast.Attribute(value=ast.Name(id="self"), attr=attr) if scope.owner:
                key = (scope.owner, attr)
                self.attributes[key] = self.attributes.get(key, UNKNOWN) | value
            case _:
                for child in ast.iter_child_nodes(target):
                    if isinstance(child, ast.expr):
                        self._value(child, scope)

    def _for(self, node: ast.For | ast.AsyncFor, scope: Scope) -> None:
        value = self._value(node.iter, scope)
        before = dict(scope.names)
        self.bind(node.target, items(value), scope)
        self._block(node.body, scope)
        _join(scope.names, before)
        self._block(node.orelse, scope)

    def _while(self, node: ast.While, scope: Scope) -> None:
        self._value(node.test, scope)
        before = dict(scope.names)
        self._block(node.body, scope)
        _join(scope.names, before)
        self._block(node.orelse, scope)

    def _if(self, node: ast.If, scope: Scope) -> None:
        self._value(node.test, scope)
        self._branches([node.body, node.orelse], scope)

    def _branches(self, blocks: list[list[ast.stmt]], scope: Scope) -> None:
        before = dict(scope.names)
        ends: list[Environment] = []
        for block in blocks:
            scope.names.clear()
            scope.names.update(before)
            self._block(block, scope)
            # What returns or raises does not go on below.
            if not block or not isinstance(block[-1], ast.Return | ast.Raise | ast.Continue | ast.Break):
                ends.append(dict(scope.names))
        scope.names.clear()
        scope.names.update(ends[0] if ends else before)
        for end in ends[1:]:
            _join(scope.names, end)

    def _with(self, node: ast.With | ast.AsyncWith, scope: Scope) -> None:
        for item in node.items:
            value = self._value(item.context_expr, scope)
            if item.optional_vars is not None:
                self.bind(item.optional_vars, value, scope)
        self._block(node.body, scope)

    def _try(self, node: ast.Try | ast.TryStar, scope: Scope) -> None:
        self._block(node.body, scope)
        for handler in node.handlers:
            self._value(handler.type, scope)
            if handler.name:
                scope.names[handler.name] = UNKNOWN
        self._branches([node.orelse, *(handler.body for handler in node.handlers)], scope)
        self._block(node.finalbody, scope)

    def _match(self, node: ast.Match, scope: Scope) -> None:
        self._value(node.subject, scope)
        for case in node.cases:
            for part in ast.walk(case.pattern):
                name = getattr(part, "name", None)
                if isinstance(name, str):
                    scope.names[name] = UNKNOWN
                if isinstance(part, ast.MatchClass):
                    self._value(part.cls, scope)
            self._value(case.guard, scope)
        self._branches([*(case.body for case in node.cases), []], scope)

    def _import(self, node: ast.Import | ast.ImportFrom, scope: Scope) -> None:
        for local, full_name in imported_names(node, self.module.package):
            if local != "*":
                scope.names[local] = one(Named(self.definitions.resolve(full_name)))


def _join(names: Environment, others: Environment) -> None:
    for name, value in others.items():
        names[name] = names.get(name, UNKNOWN) | value


def _is_static(node: Function) -> bool:
    return any(isinstance(decorator, ast.Name) and decorator.id == "staticmethod" for decorator in node.decorator_list)
