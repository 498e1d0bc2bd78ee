"""Imports stand at the top of the file.

The incident: two services that needed each other were made to run by an import inside a function. Within a year forty
such imports hid the circle, and the import order of the tests decided which of them failed.

BAD (apps/rooms/services.py):
    class RoomService:
        @staticmethod
        def describe() -> str:
            import json

            return json.dumps({})

GOOD (apps/rooms/services.py):
    import json

    class RoomService:
        @staticmethod
        def describe() -> str:
            return json.dumps({})
"""

from collections.abc import Iterator
from typing import Final

from layerline.contract.rule import Hit, Rule, Source, at


def _find(source: Source) -> Iterator[Hit]:
    for node in source.module.local_imports:
        yield at(node, "imports inside a function")


RULE: Final = Rule(
    name="local-import",
    doc=__doc__,
    mend="import at the top; if that makes a circle, what both need belongs into a module below them",
    applies=lambda _: True,
    find=_find,
)
