"""Every folder with code is a package.

The incident: `services/` was made without an `__init__.py`. Python ran it as a namespace package, the import contract
did not see it, and for half a year its files imported views.

BAD (apps/rooms/bare_rules/closing.py):
    HOURS = 8

GOOD (apps/rooms/closing.py):
    HOURS = 8
"""

from collections.abc import Iterator
from typing import Final

from layerline.contract.rule import Hit, Rule, Source


def _find(source: Source) -> Iterator[Hit]:
    # Each folder is told of once, by the first module below it.
    for folder, first in source.project.bare_folders.items():
        if first == source.module.name:
            yield Hit("holds code and is no package, so no contract sees it", 1, 0, folder)


RULE: Final = Rule(
    name="missing-init",
    doc=__doc__,
    mend="add an empty `__init__.py`",
    applies=lambda _: True,
    find=_find,
)
