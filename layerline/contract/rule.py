"""What a rule is, and what it is given to look at."""

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from layerline.contract.modules import Function, Module
from layerline.contract.project import Project
from layerline.contract.values import Named, Values


@dataclass(frozen=True, slots=True)
class Hit:
    """A place where a rule is broken.

    Args:
        what: What is wrong, as half a sentence.
        line: Where.
        last_line: Up to where a comment may allow it.
        path: Another path than the module's own.
    """

    what: str
    line: int
    last_line: int
    path: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """One module as a rule sees it."""

    module: Module
    project: Project

    def value(self, node: ast.AST | None) -> Values:
        """Return what is known of an expression's value."""
        return self.project.flows.of(self.module).values.get(node, frozenset())  # type: ignore[call-overload, no-any-return]  # any node may be looked up

    @property
    def is_too_deep(self) -> bool:
        return self.project.flows.is_too_deep(self.module)

    def names(self, node: ast.AST) -> set[str]:
        """Return the full names of what an expression refers to."""
        return {value.name for value in self.value(node) if isinstance(value, Named)}

    def calls(self) -> Iterator[ast.Call]:
        return (node for node in self.module.of(ast.Call) if isinstance(node, ast.Call))

    def classes(self) -> Iterator[ast.ClassDef]:
        return (node for node in self.module.of(ast.ClassDef) if isinstance(node, ast.ClassDef))

    def attributes(self) -> Iterator[ast.Attribute]:
        return (node for node in self.module.of(ast.Attribute) if isinstance(node, ast.Attribute))

    def references(self) -> Iterator[tuple[ast.expr, str]]:
        """Yield each expression that refers to something by name, with that full name."""
        for node in self.module.of(ast.Name, ast.Attribute):
            if isinstance(node, ast.Name | ast.Attribute):
                yield from ((node, name) for name in self.names(node))


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the contract.

    Args:
        name: What findings and `# layerline: allow` call it.
        doc: The incident that it prevents, and an example of each kind.
        mend: How to mend a finding.
        applies: Tells which modules it looks at.
        find: Finds where it is broken.
    """

    name: str
    doc: str
    mend: str
    applies: Callable[[Module], bool]
    find: Callable[[Source], Iterable[Hit]]


def at(node: ast.expr | ast.stmt | ast.ExceptHandler, what: str) -> Hit:
    """Return a hit at a node; of a block only at its head."""
    body = getattr(node, "body", None)
    last_line = node.end_lineno or node.lineno
    if isinstance(body, list) and body:
        last_line = max(node.lineno, body[0].lineno - 1)
    return Hit(what, node.lineno, last_line)


def in_layers(*layers: str) -> Callable[[Module], bool]:
    """Return a test for modules of these layers of a slice."""
    return lambda module: module.is_slice and module.layer in layers


def in_slices_except(*layers: str) -> Callable[[Module], bool]:
    """Return a test for modules of a slice in any other layer; tests are never looked at."""
    return lambda module: module.is_slice and not module.is_test and module.layer not in layers


def in_code(module: Module) -> bool:
    """Tell whether the module is code that runs in production."""
    return not module.is_test and module.layer != "migrations"


def public_methods(node: ast.ClassDef) -> list[Function]:
    methods = (part for part in node.body if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef))
    return [method for method in methods if not method.name.startswith("_")]


def is_namespace(node: ast.ClassDef) -> bool:
    """Tell whether a class is a service or selector: one named so, or one without bases and decorators."""
    return node.name.endswith(("Service", "Selector")) or not (node.bases or node.keywords or node.decorator_list)
