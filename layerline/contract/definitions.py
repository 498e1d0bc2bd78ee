"""Who defines what: names followed through imports to the place where they are defined."""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from layerline.contract.modules import Function, Module

_MODEL_BASES: Final = frozenset(
    {
        "django.contrib.auth.base_user.AbstractBaseUser",
        "django.db.models.Model",
        "django.db.models.base.Model",
    }
)
# Something with a capital letter out of a `models` module that is not of the project.
_LOOKS_LIKE_A_MODEL: Final = re.compile(r".+\.models(\.\w+)*\.[A-Z]\w*[a-z]\w*")
_NO_MODEL: Final = re.compile(r"django\.(db|forms)\.|.*(Choices|Error|Exception|Index|Manager|QuerySet|State|Status)$")
_RELATIONS: Final = frozenset({"ForeignKey", "OneToOneField", "ManyToManyField"})
# The name that Django gives the way back of a foreign key: a model's name has no underscore.
_WAY_BACK: Final = re.compile(r"[^\W_]+_set")
_LONGEST_CHAIN: Final = 20


@dataclass(eq=False)
class FunctionInfo:
    """A function or method of the project."""

    name: str
    module: Module
    node: Function


@dataclass(eq=False)
class ClassInfo:
    """A class of the project.

    Args:
        name: Its full name.
        module: Where it stands.
        node: Its definition.
        bases: The full names of its bases.
        methods: What it defines itself.
        assigned: The values of its own class attributes.
        annotated: The annotations of its own class attributes.
    """

    name: str
    module: Module
    node: ast.ClassDef
    bases: list[str]
    methods: dict[str, FunctionInfo]
    assigned: dict[str, ast.expr]
    annotated: dict[str, ast.expr]


class _Names:
    """What the top level of a module binds."""

    def __init__(self, module: Module) -> None:
        self.imports: dict[str, str] = {}
        self.stars: list[str] = []
        self.defined: set[str] = set()
        self.functions: dict[str, Function] = {}
        self.classes: dict[str, ast.ClassDef] = {}
        for node in _top_level(module.tree):
            self._take(node, module)

    def _take(self, node: ast.stmt, module: Module) -> None:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for local, full in imported_names(node, module.package):
                if local == "*":
                    self.stars.append(full)
                else:
                    self.imports[local] = full
        elif isinstance(node, ast.ClassDef):
            self.classes[node.name] = node
            self.defined.add(node.name)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            self.functions[node.name] = node
            self.defined.add(node.name)
        else:
            self.defined |= set(_stored(node))


def _stored(node: ast.stmt) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            yield part.id


def _top_level(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield the statements that run on import, those inside `if`, `try`, `with` and loops included."""
    stack = list(reversed(tree.body))
    while stack:
        node = stack.pop()
        blocks = [getattr(node, name, []) for name in ("body", "orelse", "finalbody")]
        blocks += [handler.body for handler in getattr(node, "handlers", [])]
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or not any(blocks):
            yield node
            continue
        if isinstance(node, ast.For):
            yield ast.Expr(node.target)
        stack.extend(child for block in reversed(blocks) for child in reversed(block))


def imported_names(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, str]]:
    """Yield each name that an import binds, with the full name of what it means; for a star, `*` and the module."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield (
                alias.asname or alias.name.partition(".")[0],
                alias.name if alias.asname else alias.name.partition(".")[0],
            )
        return
    source = source_of(node, package)
    for alias in node.names:
        yield ("*", source) if alias.name == "*" else (alias.asname or alias.name, f"{source}.{alias.name}")


def source_of(node: ast.ImportFrom, package: str) -> str:
    """Return the full name of the module that `from … import` names."""
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)


class Definitions:
    """Everything that the project's modules define at their top level."""

    def __init__(self, modules: Mapping[str, Module]) -> None:
        self.modules = modules
        self._names = {name: _Names(module) for name, module in modules.items()}
        self._resolved: dict[str, str] = {}
        self._classes: dict[str, ClassInfo | None] = {}
        self._kinds: dict[tuple[str, str], bool] = {}

    def split(self, name: str) -> tuple[Module | None, str]:
        """Return the project's module that a full name begins with, and the rest of the name."""
        head, tail = name, ""
        while head:
            if head in self.modules:
                return self.modules[head], tail
            head, _, last = head.rpartition(".")
            tail = f"{last}.{tail}" if tail else last
        return None, name

    def resolve(self, name: str) -> str:
        """Follow imports from a name to the full name of its definition."""
        if name not in self._resolved:
            self._resolved[name] = name
            self._resolved[name] = self._follow(name)
        return self._resolved[name]

    def _follow(self, name: str) -> str:
        for _ in range(_LONGEST_CHAIN):
            module, rest = self.split(name)
            first, _, others = rest.partition(".")
            if module is None or not rest or first in self._names[module.name].defined:
                return name
            target = self._imported(module, first)
            if target is None:
                return name
            name = f"{target}.{others}" if others else target
        return name

    def _imported(self, module: Module, name: str) -> str | None:
        names = self._names[module.name]
        if name in names.imports:
            return names.imports[name]
        return next((f"{star}.{name}" for star in names.stars if self._has(star, name, depth=0)), None)

    def _has(self, module: str, name: str, *, depth: int) -> bool:
        if module not in self._names or depth > _LONGEST_CHAIN:
            return False
        names = self._names[module]
        known = name in names.defined or name in names.imports
        return known or any(self._has(star, name, depth=depth + 1) for star in names.stars)

    def binds(self, module: Module, name: str) -> str | None:
        """Return the full name of what a name at the top level of the module means."""
        names = self._names[module.name]
        if name in names.defined:
            return f"{module.name}.{name}"
        target = self._imported(module, name)
        return self.resolve(target) if target else None

    def lends(self, module: Module, name: str) -> str | None:
        """Return where a name comes from that the module merely imports; None if it defines it or is dynamic."""
        names = self._names[module.name]
        if name in names.defined or names.stars or "__getattr__" in names.defined:
            return None
        return None if f"{module.name}.{name}" in self.modules else names.imports.get(name)

    def reached_from(self, module: Module) -> set[str]:
        """Return the full names that the module's imports lead to, those of the project's own modules followed."""
        found: set[str] = set()
        seen: set[str] = set()
        waiting = [module.name]
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            for target in self._targets(name):
                own, _ = self.split(target)
                if own is None:
                    found.add(target)
                else:
                    waiting.append(own.name)
        return found

    def _targets(self, module: str) -> list[str]:
        names = self._names[module]
        return [*names.imports.values(), *names.stars]

    def function(self, name: str) -> FunctionInfo | None:
        """Return the function or method of a full name, an inherited method included."""
        module, rest = self.split(name)
        if module is None:
            return None
        node = self._names[module.name].functions.get(rest)
        if node is not None:
            return FunctionInfo(name, module, node)
        owner, _, method = name.rpartition(".")
        return self.method(owner, method) if self.class_(owner) else None

    def class_(self, name: str) -> ClassInfo | None:
        """Return the class of a full name."""
        if name not in self._classes:
            module, rest = self.split(name)
            node = self._names[module.name].classes.get(rest) if module else None
            self._classes[name] = self._describe(name, module, node) if module and node else None
        return self._classes[name]

    def _describe(self, name: str, module: Module, node: ast.ClassDef) -> ClassInfo:
        methods: dict[str, FunctionInfo] = {}
        assigned: dict[str, ast.expr] = {}
        annotated: dict[str, ast.expr] = {}
        for part in node.body:
            match part:
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    methods[part.name] = FunctionInfo(f"{name}.{part.name}", module, part)
                case ast.Assign(targets=[ast.Name(id=target)], value=value):
                    assigned[target] = value
                case ast.AnnAssign(target=ast.Name(id=target), annotation=annotation, value=value):
                    annotated[target] = annotation
                    if value is not None:
                        assigned[target] = value
        bases = [self.full_name(module, base) or "" for base in node.bases]
        return ClassInfo(name, module, node, bases, methods, assigned, annotated)

    def full_name(self, module: Module, node: ast.expr) -> str | None:
        """Return the full name that an expression of dots and names means at the top level of a module."""
        match node:
            case ast.Name(id=name):
                return self.binds(module, name)
            case ast.Attribute(value=value, attr=attr):
                owner = self.full_name(module, value)
                return self.resolve(f"{owner}.{attr}") if owner else None
            case ast.Subscript(value=value):
                return self.full_name(module, value)
        return None

    def ancestors(self, name: str) -> Iterator[str]:
        """Yield the full names of a class and of all its bases, nearest first."""
        seen: set[str] = set()
        waiting = [name]
        while waiting:
            current = waiting.pop(0)
            if current in seen:
                continue
            seen.add(current)
            yield current
            info = self.class_(current)
            waiting += info.bases if info else []

    def method(self, owner: str, name: str) -> FunctionInfo | None:
        """Return what a class's method of that name is, in itself or in the nearest base of the project."""
        infos = (self.class_(ancestor) for ancestor in self.ancestors(owner))
        return next((info.methods[name] for info in infos if info and name in info.methods), None)

    def attribute(self, owner: str, name: str) -> tuple[ClassInfo, ast.expr | None, ast.expr | None] | None:
        """Return a class attribute: the class that has it, its annotation and its value."""
        for info in (self.class_(ancestor) for ancestor in self.ancestors(owner)):
            if info and (name in info.assigned or name in info.annotated):
                return info, info.annotated.get(name), info.assigned.get(name)
        return None

    def is_a(self, name: str, kind: str, test: Callable[[str], bool]) -> bool:
        """Tell whether a class or one of its bases passes a test; `kind` names the test."""
        if (name, kind) not in self._kinds:
            self._kinds[name, kind] = any(test(ancestor) for ancestor in self.ancestors(name) if ancestor)
        return self._kinds[name, kind]

    def is_model(self, name: str) -> bool:
        return self.is_a(name, "model", self._is_model_itself)

    def _is_model_itself(self, name: str) -> bool:
        info = self.class_(name)
        if info is not None:
            return any(self._is_field(info, value) for value in info.assigned.values())
        if name in _MODEL_BASES:
            return True
        return self.split(name)[0] is None and bool(_LOOKS_LIKE_A_MODEL.fullmatch(name)) and not _NO_MODEL.match(name)

    def _is_field(self, info: ClassInfo, value: ast.expr) -> bool:
        if not isinstance(value, ast.Call):
            return False
        name = self.full_name(info.module, value.func) or ""
        return name.startswith("django.db.models.") and name.endswith(("Field", *_RELATIONS))

    def is_rows(self, name: str) -> bool:
        """Tell whether the class is a manager or queryset."""
        return self.is_a(name, "rows", _is_rows_itself)

    def is_model_serializer(self, name: str) -> bool:
        return self.is_a(name, "model serializer", lambda base: base.endswith(("ModelSerializer", "LinkSerializer")))

    def is_serializer(self, name: str) -> bool:
        return self.is_a(name, "serializer", lambda base: base.endswith("Serializer"))

    @cached_property
    def _relations(self) -> dict[str, list[tuple[str, str, str]]]:
        """For each attribute that leads to rows: the models that have it, with the model that it leads to.

        Each entry is the owner's full name, empty where unknown, the attribute, and the target's.
        """
        found: dict[str, list[tuple[str, str, str]]] = {}
        for module_name, names in self._names.items():
            for class_name in names.classes:
                info = self.class_(f"{module_name}.{class_name}")
                for name, value in info.assigned.items() if info else ():
                    for owner, attribute, target in self._leading_to_rows(info, name, value) if info else ():
                        found.setdefault(attribute, []).append((owner, attribute, target))
        return found

    def _leading_to_rows(self, info: ClassInfo, name: str, value: ast.expr) -> Iterator[tuple[str, str, str]]:
        match value:
            case ast.Call(func=ast.Attribute(attr=kind) | ast.Name(id=kind)) if kind in _RELATIONS:
                target = self.target(info, value)
                if kind == "ManyToManyField":
                    yield info.name, name, target
                options = {option.arg: option.value for option in value.keywords}
                match options.get("related_name"):
                    case ast.Constant(value=str(related)) if kind != "OneToOneField":
                        yield target, related, info.name

    def target(self, info: ClassInfo, value: ast.Call) -> str:
        """Return the full name of the model that a relation's field points to; empty where that is a setting."""
        options = {option.arg: option.value for option in value.keywords}
        node = value.args[0] if value.args else options.get("to")
        match node:
            case ast.Constant(value="self"):
                return info.name
            case ast.Constant(value=str(text)) if "." not in text:
                return f"{info.module.name}.{text}"
            case ast.Name() | ast.Attribute():
                name = self.full_name(info.module, node) or ""
                return name if self.class_(name) else ""
        return ""

    def rows_at(self, owner: str, attribute: str) -> str | None:
        """Return the model whose rows a row's attribute leads to; empty where unknown, None if it leads to none."""
        for known_owner, _, target in self._relations.get(attribute, ()):
            if owner == "?" or not known_owner or known_owner in set(self.ancestors(owner)):
                return target
        return "" if _WAY_BACK.fullmatch(attribute) else None


def _is_rows_itself(name: str) -> bool:
    leaf = name.rpartition(".")[2]
    return leaf.endswith("QuerySet") or (name.startswith("django.") and leaf.endswith("Manager"))
