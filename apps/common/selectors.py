from functools import lru_cache
from time import monotonic
from typing import Any, Final, Literal

from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Q, QuerySet

from apps.common.fields import Ciphertext, EncryptedCharField
from apps.common.types import EncryptedValue
from infrastructure import redis

type Readiness = Literal["ok", "degraded", "unavailable"]

READINESS_SECONDS: Final = 2


class HealthSelector:
    @staticmethod
    def readiness() -> Readiness:
        """Return `unavailable` without PostgreSQL or with a migration missing, `degraded` without Redis, else `ok`.

        Anyone may ask, and a look costs some 50 ms: a process looks every READINESS_SECONDS at most.
        """
        return readiness_in_span(int(monotonic() / READINESS_SECONDS))


@lru_cache(maxsize=1)
def readiness_in_span(_number: int) -> Readiness:
    """Return what the first look in a span of time finds."""
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return "unavailable"
    except Error:
        return "unavailable"
    try:
        with redis.unavailable_as():
            redis.client().ping()
    except redis.RedisUnavailable:
        return "degraded"
    return "ok"


class EncryptionSelector:
    @staticmethod
    def count(*, column: EncryptedCharField) -> int:
        """Return how many values the column holds, the empty ones left out."""
        return _filled(column).count()

    @staticmethod
    def values(*, column: EncryptedCharField, after: Any, size: int) -> list[EncryptedValue]:
        """Return the next values of the column in the order of its rows' keys, the empty ones left out.

        Args:
            after: The key of the row after which to begin, or None to begin with the first.
        """
        rows = _filled(column) if after is None else _filled(column).filter(pk__gt=after)
        found = rows.order_by("pk").values_list("pk", "stored_text")[:size]
        return [EncryptedValue(row, column.position_of_key(stored)) for row, stored in found]


def _filled(column: EncryptedCharField) -> "QuerySet[Any]":
    # Past the model's managers, which may hide rows.
    rows: QuerySet[Any] = QuerySet(column.model)
    rows = rows.annotate(stored_text=Ciphertext(column.name))
    return rows.exclude(Q(stored_text="") | Q(stored_text=None))
