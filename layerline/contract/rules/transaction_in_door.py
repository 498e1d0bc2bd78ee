"""Transactions are opened by services.

The incident: a view wrapped two services in one transaction. The first had always counted on its commit before its mail
went out; now the mail went out, and the second service rolled everything back.

BAD (apps/rooms/views.py):
    from django.db import transaction

    @transaction.atomic
    def close(request, room_id):
        raise NotImplementedError

GOOD (apps/rooms/services.py):
    from django.db import transaction

    class RoomService:
        @staticmethod
        def close(*, room_id: int) -> None:
            with transaction.atomic():
                raise NotImplementedError
"""

from collections.abc import Iterator
from typing import Final

from layerline.contract.rule import Hit, Rule, Source, at, in_layers
from layerline.contract.rules.orm_in_door import DOORS


def _find(source: Source) -> Iterator[Hit]:
    for node, name in source.references():
        if name.startswith("django.db.transaction."):
            yield at(node, f"uses `{name.removeprefix('django.db.')}`")


RULE: Final = Rule(
    name="transaction-in-door",
    doc=__doc__,
    mend="open the transaction in a service that does the whole use case",
    applies=in_layers(*DOORS, "admin", "filters", "middleware", "pagination", "parsers", "schema"),
    find=_find,
)
