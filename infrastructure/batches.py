"""What is over goes a batch at a time, each in a job of its own, so that nothing is locked for long."""

from dataclasses import dataclass
from typing import Any, Final

from django.db.models import QuerySet

# Rows: some tenths of a second, and as long are they locked.
SIZE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Purged:
    """What came of a batch: how many rows went, and whether there may be more."""

    count: int
    more: bool


def delete(rows: QuerySet[Any], *, oldest: str) -> Purged:
    """Delete a batch of rows, the oldest first. Call it in a transaction, of which nothing but this is long.

    Args:
        rows: What is over. A row that is so no longer when its turn comes stays.
        oldest: The column that tells the age; an index on it finds the rows.
    """
    found = list(rows.order_by(oldest).values_list("pk", flat=True)[:SIZE])
    held = hold(rows.filter(pk__in=found))
    rows.model._default_manager.filter(pk__in=held).delete()  # noqa: SLF001  # Django's documented way to it
    return Purged(len(held), more=len(found) == SIZE and bool(held))


def hold(rows: QuerySet[Any]) -> list[Any]:
    """Lock the rows in the order of their keys and return these; what somebody else holds is left for the next time.

    So whoever cleans up never waits with rows in hand, and can be no part of a deadlock.
    """
    return list(rows.order_by("pk").select_for_update(skip_locked=True).values_list("pk", flat=True))
