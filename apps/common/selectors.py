from typing import Literal

from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor

from infrastructure import redis

type Readiness = Literal["ok", "degraded", "unavailable"]


class HealthSelector:
    @staticmethod
    def readiness() -> Readiness:
        """Return `unavailable` without PostgreSQL or with a migration missing, `degraded` without Redis, else `ok`."""
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
