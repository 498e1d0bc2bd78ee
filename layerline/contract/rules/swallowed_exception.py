"""Whoever catches everything raises it again, or says why not.

The incident: a task caught `Exception` around a loop, to be safe. A renamed column made every round fail, and for nine
days nothing was sent and nothing was logged.

The reason is a comment, on the line of the `except` or on the lines up to the first statement below it.

BAD (apps/rooms/tasks.py):
    def work(job):
        try:
            job()
        except Exception:
            return None

GOOD (apps/rooms/tasks.py):
    def work(job):
        try:
            job()
        except ValueError:
            return None
"""

import ast
import re
from collections.abc import Iterator
from typing import Final

from layerline.contract.rule import Hit, Rule, Source, at, in_code

_EVERYTHING: Final = frozenset({"BaseException", "Exception"})
_DIRECTIVE: Final = re.compile(
    r"#\s*(noqa\b(:\s*[A-Z]+\d+(\s*,\s*[A-Z]+\d+)*)?|type:\s*ignore(\[[^\]]*\])?|pragma:[^#]*|layerline:[^#]*)"
)


def _find(source: Source) -> Iterator[Hit]:
    for node in source.module.of(ast.ExceptHandler):
        if isinstance(node, ast.ExceptHandler) and _is_silent(source, node):
            yield at(node, "swallows every exception without a reason")
    for call in source.calls():
        names = {getattr(call.func, "attr", None), getattr(call.func, "id", None)}
        if "suppress" in names and any(map(_catches_everything, call.args)) and not _reason(source, call.lineno):
            yield at(call, "suppresses every exception without a reason")


def _is_silent(source: Source, handler: ast.ExceptHandler) -> bool:
    return _catches_everything(handler.type) and not _raises(handler) and not _has_reason(source, handler)


def _catches_everything(kind: ast.expr | None) -> bool:
    match kind:
        case None:
            return True
        case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="builtins"), attr=name):
            return name in _EVERYTHING
        case ast.Tuple(elts=kinds):
            return any(map(_catches_everything, kinds))
    return False


def _raises(handler: ast.ExceptHandler) -> bool:
    waiting: list[ast.AST] = list(handler.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Raise):
            return True
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            waiting.extend(ast.iter_child_nodes(node))
    return False


def _has_reason(source: Source, handler: ast.ExceptHandler) -> bool:
    return any(_reason(source, line) for line in range(handler.lineno, handler.body[0].lineno + 1))


def _reason(source: Source, line: int) -> str:
    """Return what a comment says besides its instructions to other programs."""
    return _DIRECTIVE.sub("", source.module.comments.get(line, "")).strip("# :")


RULE: Final = Rule(
    name="swallowed-exception",
    doc=__doc__,
    mend="catch what you expect, raise it again, or write the reason as a comment beside `except`",
    applies=in_code,
    find=_find,
)
