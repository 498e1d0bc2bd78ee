"""A name is imported from the module that defines it.

The incident: a view imported the model from `rooms.services`, which happened to import it. The import contract saw a
view that uses a service, as it should, and nobody saw the ORM that came with it.

A package may gather the names of its own modules in its `__init__.py`. Migrations are generated, and not looked at.

GIVEN (apps/rooms/views.py):
    import json

    EMPTY = json.dumps({})

BAD (apps/rooms/urls.py):
    from apps.rooms.views import json

GOOD (apps/rooms/urls.py):
    import json
"""

import ast
from collections.abc import Iterator
from typing import Final

from layerline.contract.definitions import source_of
from layerline.contract.rule import Hit, Rule, Source, at


def _find(source: Source) -> Iterator[Hit]:
    for node in source.module.of(ast.ImportFrom):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield from _borrowed(source, node, source_of(node, source.module.package), alias.name)
    if source.module.is_slice:
        for attribute in source.attributes():
            owners = source.names(attribute.value) & source.project.modules.keys()
            for owner in owners:
                yield from _borrowed(source, attribute, owner, attribute.attr)


def _borrowed(source: Source, node: ast.expr | ast.stmt, owner: str, name: str) -> Iterator[Hit]:
    lender = source.project.modules.get(owner)
    if lender is None or lender is source.module:
        return
    origin = source.project.definitions.lends(lender, name)
    if origin is None or (lender.is_package and origin.startswith(f"{owner}.")):
        return
    yield at(node, f"takes `{name}` from `{owner}`, which only imports it from `{origin.rpartition('.')[0] or origin}`")


RULE: Final = Rule(
    name="re-export",
    doc=__doc__,
    mend="import it from where it is defined",
    applies=lambda module: module.layer != "migrations",
    find=_find,
)
