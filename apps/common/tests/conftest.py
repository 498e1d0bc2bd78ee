from collections.abc import Iterator
from copy import deepcopy

import pytest
from pytest_django import Settings

from apps.common.tests.support import unused_port
from infrastructure import redis


@pytest.fixture
def redis_away(settings: Settings) -> Iterator[None]:
    """Redis is not running: the connection is refused at once."""
    caches = deepcopy(settings.CACHES)
    caches["default"]["LOCATION"] = f"redis://127.0.0.1:{unused_port()}/0"
    settings.CACHES = caches
    yield
    redis.client().connection_pool.disconnect()
