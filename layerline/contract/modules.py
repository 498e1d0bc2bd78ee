"""One source file, parsed once for all rules."""

import ast
import io
import tokenize
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from layerline.contract.layout import Place, Role

# What a broken or hostile file may raise: nesting too deep for the parser's stack among others.
_UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError, OSError)
# Nodes with nothing below: two of three.
_LEAVES = frozenset({ast.Name, ast.Constant})
_FUNCTIONS = frozenset({ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda})
type Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(eq=False)
class Module:
    """A file below a root package.

    Args:
        path: Relative to the project, with slashes.
        name: Its dotted name.
        place: Where it stands.
        text: Its source; empty if it cannot be decoded.
        tree: Its syntax tree; empty if it cannot be parsed.
        error: Why it cannot be parsed, with the line.
    """

    path: str
    name: str
    place: Place
    text: str
    tree: ast.Module
    error: tuple[int, str] | None = None
    # Nodes by type, in the order of the source.
    nodes: defaultdict[type[ast.AST], list[ast.AST]] = field(default_factory=lambda: defaultdict(list))
    local_imports: list[ast.Import | ast.ImportFrom] = field(default_factory=list)

    @classmethod
    def read(cls, file: Path, *, path: str, name: str, place: Place) -> "Module":
        """Parse a file; one that cannot be parsed is an empty module with an error."""
        text = ""
        if not file.is_file():
            # A pipe or a device would never end.
            return cls(path, name, place, text, ast.Module([], []), (1, "it is no regular file"))
        try:
            source = file.read_bytes()
            tree = ast.parse(source)
            text = _decode(source)
        except _UNREADABLE as error:
            line = getattr(error, "lineno", None) or 1
            reason = getattr(error, "msg", None) or str(error) or type(error).__name__
            return cls(path, name, place, text, ast.Module([], []), (line, str(reason)))
        module = cls(path, name, place, text, tree)
        module.collect()
        return module

    @property
    def is_package(self) -> bool:
        return self.path.endswith("__init__.py")

    @property
    def package(self) -> str:
        """The package that relative imports count from."""
        return self.name if self.is_package else self.name.rpartition(".")[0]

    @property
    def is_slice(self) -> bool:
        return self.place.role is Role.SLICE

    @property
    def layer(self) -> str:
        return self.place.layer

    @cached_property
    def is_test(self) -> bool:
        parts = self.name.split(".")
        return "tests" in parts or parts[-1] == "conftest" or parts[-1].startswith("test_")

    def of(self, *kinds: type[ast.AST]) -> list[ast.AST]:
        """Return all nodes of the given types."""
        return [node for kind in kinds for node in self.nodes.get(kind, ())]

    @cached_property
    def comments(self) -> dict[int, str]:
        """The comments by line."""
        found: dict[int, str] = {}
        try:
            for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
                if token.type == tokenize.COMMENT:
                    found[token.start[0]] = token.string
        except (tokenize.TokenError, SyntaxError):
            # The parser took the file; what the tokenizer gave up on stands after the last comment it saw.
            return found
        return found

    def collect(self) -> None:
        """Sort all nodes by type in one walk, and note the imports that stand inside functions."""
        stack: list[tuple[ast.AST, bool]] = [(self.tree, False)]
        nodes = self.nodes
        while stack:
            node, in_function = stack.pop()
            kind = type(node)
            nodes[kind].append(node)
            # A third of all the time goes into this walk; `ast.iter_child_nodes` would double it.
            if kind in _LEAVES:
                continue
            if in_function and isinstance(node, ast.Import | ast.ImportFrom):
                self.local_imports.append(node)
            in_function = in_function or kind in _FUNCTIONS
            for name in reversed(node._fields):
                value = getattr(node, name, None)
                if isinstance(value, list):
                    stack += [(child, in_function) for child in reversed(value) if isinstance(child, ast.AST)]
                elif isinstance(value, ast.AST) and not isinstance(value, ast.expr_context):
                    stack.append((value, in_function))


def _decode(source: bytes) -> str:
    encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
    # As the parser does it: any line end is one.
    return io.TextIOWrapper(io.BytesIO(source), encoding=encoding).read()
