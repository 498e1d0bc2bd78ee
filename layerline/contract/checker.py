"""The contract checker: import directions, and what an import graph cannot see."""

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from layerline.contract import directions
from layerline.contract.allowances import Allowances
from layerline.contract.catalogue import RULES
from layerline.contract.findings import Finding
from layerline.contract.project import Project
from layerline.contract.rule import Source

_DEPTH: Final = 20_000


def check(root: Path, paths: Sequence[Path] = ()) -> list[Finding]:
    """Return every place where the project breaks the contract, by file and line. Needs no Django and no database.

    Args:
        root: The folder that holds pyproject.toml and the root packages.
        paths: Files and folders to tell of; all where none is given. The whole project is read in any case.

    Raises:
        LayoutError: If pyproject.toml does not say where the packages are.
    """
    root = root.resolve()
    with _paused_collector(), _deep_recursion():
        found = _found(root)
    wanted = [path.resolve().relative_to(root).as_posix() for path in paths]
    return sorted(finding for finding in found if not wanted or any(_is_below(finding.path, path) for path in wanted))


def _found(root: Path) -> set[Finding]:
    """Return all findings, and let go of the syntax trees, which nobody else should walk through."""
    project = Project.read(root)
    return {*_rules(project), *directions.check(project)}


@contextmanager
def _paused_collector() -> Iterator[None]:
    """Spare the garbage collector walks through syntax trees that are all in use: a fifth of the whole time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def _deep_recursion() -> Iterator[None]:
    """Let values be followed through a chain of modules, and through expressions of some thousand parts."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _DEPTH))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def _is_below(path: str, folder: str) -> bool:
    return folder in {".", path} or path.startswith(f"{folder}/")


def _rules(project: Project) -> Iterator[Finding]:
    for module in project.modules.values():
        if module.error is not None:
            line, reason = module.error
            yield Finding(
                module.path, line, "syntax-error", f"cannot be parsed: {reason}", "mend it; nothing in it was checked"
            )
            continue
        yield from _module(Source(module, project))


def _module(source: Source) -> Iterator[Finding]:
    module = source.module
    allowances = Allowances(module)
    for rule in RULES:
        if rule.applies(module):
            # A chain of calls breaks a rule at each link; one finding a line is enough to mend it.
            told: set[tuple[str, int]] = set()
            for hit in rule.find(source):
                place = hit.path or module.path, hit.line
                if not allowances.allow(rule.name, hit) and place not in told:
                    told.add(place)
                    yield Finding(*place, rule.name, hit.what, rule.mend)
    yield from allowances.faults()
    if source.is_too_deep:
        what = "nests too deep for values to be followed"
        yield Finding(module.path, 1, "syntax-error", what, "split its longest expression")
