"""Import directions: import-linter's contracts, their findings in the form of all others.

A direction cannot be allowed by a comment: a contract that is in the way is changed for all, in pyproject.toml.
"""

import importlib
import pkgutil
import sys
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import grimp
from grimp.exceptions import GrimpException
from importlinter import Contract
from importlinter.api import read_configuration
from importlinter.contracts.acyclic_siblings import AcyclicSiblingsContract
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.independence import IndependenceContract
from importlinter.contracts.layers import LayersContract
from importlinter.contracts.protected import ProtectedContract
from importlinter.domain.contract import InvalidContractOptions

from layerline.contract.findings import Finding
from layerline.contract.project import Project

_CONFIGURATION: Final = "pyproject.toml"
_TYPES: Final[dict[str, type[Contract]]] = {
    contract.type_name: contract
    for contract in (
        AcyclicSiblingsContract,
        ForbiddenContract,
        IndependenceContract,
        LayersContract,
        ProtectedContract,
    )
}
_MEND_NAME: Final = "give it the name of a layer, or enter it into the contract"
_MEND: Final = "go through what the contract in pyproject.toml lets this module import"


def check(project: Project) -> Iterator[Finding]:
    """Yield each import that breaks one of import-linter's contracts; none where the project has no such contracts."""
    if not _has_contracts(project.root) or any(module.error for module in project.modules.values()):
        # What cannot be parsed is reported as such; there is no graph of it.
        return
    with _importable(project.root):
        try:
            yield from _check(project)
        except (GrimpException, InvalidContractOptions, ValueError, KeyError, ImportError) as error:
            options = getattr(error, "errors", None)
            yield _fault(f"cannot be checked: {options or error}")


def _check(project: Project) -> Iterator[Finding]:
    for name in project.layout.roots:
        spec = find_spec(name)
        places = [Path(place).resolve() for place in (spec.submodule_search_locations or ()) if place] if spec else []
        if places != [(project.root / name).resolve()]:
            yield _fault(f"cannot be checked: Python finds `{name}` elsewhere")
            return
    configuration = read_configuration(str(project.root / _CONFIGURATION))
    options = configuration["session_options"]
    graph = grimp.build_graph(
        *options["root_packages"],
        include_external_packages=options.get("include_external_packages") == "True",
        exclude_type_checking_imports=options.get("exclude_type_checking_imports") == "True",
        cache_dir=str(project.root / ".import_linter_cache"),
    )
    types = _TYPES | dict(_own_type(text) for text in options.get("contract_types", ()))
    for contract_options in configuration["contracts_options"]:
        if contract_options["type"] not in types:
            yield _fault(f"names the unknown type {contract_options['type']!r}")
            continue
        contract = types[contract_options["type"]](contract_options["name"], options, contract_options)
        # A contract may change the graph that it is given.
        result = contract.check(deepcopy(graph), verbose=False)
        if not result.kept:
            yield from _broken(project, graph, contract_options, result.metadata)


def _broken(
    project: Project, graph: grimp.ImportGraph, options: dict[str, Any], metadata: dict[str, Any]
) -> Iterator[Finding]:
    rule = f"imports/{options.get('id', options['name'])}"
    found = False
    for importer, imported in sorted(set(_links(metadata))):
        found = True
        what = f"`{importer}` imports `{imported}`, against {options['name']!r}"
        details = graph.get_import_details(importer=importer, imported=imported)
        for line in sorted({detail["line_number"] for detail in details}) or [1]:
            yield Finding(_path(project, importer), line, rule, what, _MEND)
    for name in sorted(metadata.get("undeclared_modules", ())):
        found = True
        yield Finding(_path(project, name), 1, rule, f"`{name}` is in no layer", _MEND_NAME)
    if not found:
        yield _fault(f"{options['name']!r} is broken", rule)


def _path(project: Project, name: str) -> str:
    module = project.modules.get(name)
    return module.path if module else name.replace(".", "/")


def _links(found: Any) -> Iterator[tuple[str, str]]:
    """Yield the import at which each forbidden chain begins, in whatever form a contract type tells of it."""
    match found:
        case {"importer": str(importer), "imported": str(imported), "line_numbers": _} | (str(importer), str(imported)):
            yield importer, imported
        case dict() | list() | tuple() | set() | object(illegal_links=_):
            for part in _parts(found):
                yield from _links(part)


def _parts(found: Any) -> Iterable[Any]:
    match found:
        case {"chain": [first, *_], "extra_firsts": others}:
            return [first, *others]
        case {"chains": chains}:
            return [chain[0] if isinstance(chain, list) else chain for chain in chains]
        case dict():
            return [part for name, part in found.items() if name != "undeclared_modules"]
        case object(illegal_links=links):
            return list(links)
    return list(found)


def _fault(what: str, rule: str = "imports") -> Finding:
    return Finding(_CONFIGURATION, 1, rule, f"the import contract {what}", "see [tool.importlinter]")


def _has_contracts(root: Path) -> bool:
    try:
        tool = tomllib.loads((root / _CONFIGURATION).read_text(encoding="utf-8")).get("tool", {})
    except FileNotFoundError:
        return False
    return bool(tool.get("importlinter", {}).get("contracts"))


def _own_type(text: str) -> tuple[str, type[Contract]]:
    name, _, path = text.partition(": ")
    return name, pkgutil.resolve_name(path)


@contextmanager
def _importable(root: Path) -> Iterator[None]:
    """Let grimp find the project's packages, wherever the checker was started."""
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(root))
