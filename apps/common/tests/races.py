"""Many callers at one instant."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import deepcopy
from threading import Barrier
from typing import Any, Final

from django.conf import settings
from django.db import connections
from django.test import override_settings

from infrastructure import redis

PATIENCE: Final = 30


def at_once[T](count: int, call: Callable[[int], T]) -> list[T]:
    """Return the results of `count` threads that start at the same instant, each with connections of its own.

    They share one interpreter, which no server does to so many requests: so they may wait for their turn at the
    servers longer than a request may.
    """
    barrier = Barrier(count)

    def run(number: int) -> T:
        barrier.wait(timeout=30)
        try:
            return call(number)
        finally:
            connections.close_all()

    with _patient_database(), _patient_redis(), ThreadPoolExecutor(max_workers=count) as pool:
        return list(pool.map(run, range(count)))


@contextmanager
def _patient_database() -> Iterator[None]:
    pool: Any = connections["default"].pool  # type: ignore[attr-defined]  # the wrapper of PostgreSQL has one
    configured, pool.timeout = pool.timeout, PATIENCE
    try:
        yield
    finally:
        pool.timeout = configured


@contextmanager
def _patient_redis() -> Iterator[None]:
    options = f"socket_timeout={PATIENCE}&socket_connect_timeout={PATIENCE}&max_connections=1000"
    with redis_at(f"{settings.CACHES['default']['LOCATION']}?{options}"):
        yield


@contextmanager
def redis_at(address: str) -> Iterator[None]:
    """Let this process use another Redis, or the same one otherwise."""
    caches = deepcopy(settings.CACHES)
    caches["default"]["LOCATION"] = address
    with override_settings(CACHES=caches):
        yield
        redis.client().connection_pool.disconnect()
