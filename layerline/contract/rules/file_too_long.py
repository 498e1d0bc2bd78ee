"""A file has at most 400 lines of code.

The incident: a services.py of 2,900 lines. Half of all merges conflicted in it, and the same helper stood in it twice.

Lines that are blank or hold a comment only do not count. Tests and migrations may be longer.

BAD (apps/rooms/services.py): HOURS = 8, 401 times

GOOD (apps/rooms/services.py): HOURS = 8, 400 times
"""

from collections.abc import Iterator
from typing import Final

from layerline.contract.rule import Hit, Rule, Source, in_code

_MOST: Final = 400


def _find(source: Source) -> Iterator[Hit]:
    lines = (line.strip() for line in source.module.text.splitlines())
    count = sum(1 for line in lines if line and not line.startswith("#"))
    if count > _MOST:
        yield Hit(f"has {count} lines of code, more than {_MOST}", 1, 1)


RULE: Final = Rule(
    name="file-too-long",
    doc=__doc__,
    mend="make it a package of the same name, its tests split the same way",
    applies=in_code,
    find=_find,
)
