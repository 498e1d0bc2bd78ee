from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from time import monotonic
from typing import Any, Final

from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Q, QuerySet
from psycopg_pool import PoolTimeout

from apps.common.fields import Ciphertext, EncryptedCharField
from apps.common.types import EncryptedValue
from infrastructure import redis
from infrastructure.queue import publisher
from infrastructure.storage import FileStore

READINESS_SECONDS: Final = 2
_OK: Final = "ok"


@dataclass(frozen=True, slots=True)
class Health:
    """What this process needs and whether it has it.

    Args:
        checks: For each of them `ok`, or what is wrong in a word.
    """

    checks: Mapping[str, str]

    @property
    def status(self) -> str:
        """`unavailable` without PostgreSQL or with a migration missing, `degraded` without anything else, or `ok`."""
        if self.checks["postgresql"] != _OK:
            return "unavailable"
        return _OK if set(self.checks.values()) == {_OK} else "degraded"


class HealthSelector:
    @staticmethod
    def now() -> Health:
        """Return what a look at everything finds.

        Anyone may ask, and a look costs some 50 ms: a process looks every READINESS_SECONDS at most.
        """
        return look_in_span(int(monotonic() / READINESS_SECONDS))


@lru_cache(maxsize=1)
def look_in_span(_number: int) -> Health:
    """Return what the first look in a span of time finds."""
    return Health(
        {
            "postgresql": _postgresql(),
            "redis": _redis(),
            "broker": _OK if publisher.broker_answers() else "away",
            "storage": _OK if FileStore.answers() else "away",
        }
    )


def _postgresql() -> str:
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except (Error, PoolTimeout):
        return "away"
    return f"{len(missing)} migrations are missing" if missing else _OK


def _redis() -> str:
    try:
        with redis.unavailable_as():
            redis.client().ping()
    except redis.RedisUnavailable:
        return "away"
    return _OK


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
