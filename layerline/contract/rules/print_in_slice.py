"""Slices log, and do not print.

The incident: a `print(payload)` left over from an afternoon wrote reset tokens to the container's output, past the
filter that keeps secrets out of the logs.

BAD (apps/rooms/services.py):
    class RoomService:
        @staticmethod
        def close(*, room_id: int) -> None:
            print(room_id)

GOOD (apps/rooms/services.py):
    import structlog

    log = structlog.get_logger("rooms")

    class RoomService:
        @staticmethod
        def close(*, room_id: int) -> None:
            log.info("room_closed", room_id=room_id)
"""

from collections.abc import Iterator
from typing import Final

from layerline.contract.rule import Hit, Rule, Source, at, in_slices_except

_PRINTERS: Final = frozenset({"builtins.print", "pprint.pp", "pprint.pprint", "builtins.breakpoint"})


def _find(source: Source) -> Iterator[Hit]:
    for node, name in source.references():
        if name in _PRINTERS:
            yield at(node, f"writes to standard output with `{name.removeprefix('builtins.')}`")


RULE: Final = Rule(
    name="print-in-slice",
    doc=__doc__,
    mend="use the logger, or `self.stdout` in a management command",
    applies=in_slices_except("migrations"),
    find=_find,
)
