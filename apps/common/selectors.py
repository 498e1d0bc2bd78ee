from functools import lru_cache
from time import monotonic
from typing import Final, Literal

from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor

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
