"""Where code stands in the project: the file of a module, and what a file defines."""

import ast
import sys
from functools import lru_cache
from pathlib import Path


def place_of(module: str, name: str) -> tuple[str, str]:
    """Return the file in which a step's code stands and its name there; two empty texts where it is not the project's.

    Args:
        module: Of the step.
        name: As the step is called: a class, a method, a task, or a function with its module's last name before it.
    """
    file = _file_of(module)
    if not file:
        return "", ""
    bare = name.partition("(")[0].removeprefix(f"{module.rpartition('.')[2]}.")
    # A method may be inherited, and a task is called after its function.
    symbols = dict.fromkeys((bare, bare.rpartition(".")[2], bare.partition(".")[0]))
    symbol = next((symbol for symbol in symbols if _defines(Path(file), symbol)), "")
    return (file, symbol) if symbol else ("", "")


def file_with(module: Path, symbol: str) -> Path | None:
    """Return the file of a module that defines a name such as `UserService.register`, or None.

    Args:
        module: Its path without the suffix. A module that grew into a package is found by the same path.
        symbol: The name.
    """
    files = [module.with_suffix(".py"), *sorted(module.glob("*.py"))]
    return next((file for file in files if file.is_file() and _defines(file, symbol)), None)


def _defines(file: Path, symbol: str) -> bool:
    body = _parsed(file).body
    for name in symbol.split("."):
        found = next((node for node in body if name in _names(node)), None)
        if found is None:
            return False
        body = getattr(found, "body", [])
    return True


def _file_of(module: str) -> str:
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None or not Path(file).is_relative_to(Path.cwd()) or "site-packages" in Path(file).parts:
        return ""
    return Path(file).relative_to(Path.cwd()).as_posix()


@lru_cache
def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _names(node: ast.stmt) -> list[str]:
    match node:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return []
