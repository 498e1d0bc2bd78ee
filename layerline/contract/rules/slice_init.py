"""The `__init__.py` of a slice holds no code.

The incident: a slice's `__init__.py` imported its services, so that callers could write less. Django imports that file
before its models are ready; whether the project started hung on the order of INSTALLED_APPS.

BAD (apps/rooms/__init__.py):
    from apps.rooms.services import RoomService

GOOD (apps/rooms/__init__.py):
    # Nothing.
"""

import ast
from collections.abc import Iterator
from typing import Final

from layerline.contract.rule import Hit, Rule, Source, at


def _find(source: Source) -> Iterator[Hit]:
    module = source.module
    if not module.is_package or not source.project.layout.is_slice_or_container(module.name):
        # The packages that hold the slices are slices to nobody, and still imported first.
        return
    for statement in module.tree.body:
        match statement:
            case ast.Expr(value=ast.Constant(value=str())):
                continue
        yield at(statement, f"runs code whenever anything below `{module.name}` is imported")
        return


RULE: Final = Rule(
    name="slice-init-not-empty",
    doc=__doc__,
    mend="leave it empty, and let callers import the module they mean",
    applies=lambda module: module.is_package,
    find=_find,
)
