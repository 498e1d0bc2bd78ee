"""What the servers of these tests run with: real mail, one set of names in Redis, and the limits of production."""

import os
from typing import Any

from config import env
from config.settings import base
from tests.infrastructure.queue.worker_settings import *  # noqa: F403  # settings modules stack

# The prefix of the test process, which clears it after each test.
REDIS_KEY_PREFIX = os.environ["E2E_REDIS_KEY_PREFIX"]
CACHES["default"]["KEY_PREFIX"] = REDIS_KEY_PREFIX  # noqa: F405  # from the settings of the tests
_layer: Any = CHANNEL_LAYERS["default"]  # noqa: F405  # as above
_layer["CONFIG"]["prefix"] = f"{REDIS_KEY_PREFIX}:sockets:"
THROTTLE_RATES = base.THROTTLE_RATES

# Those of the environment, where a test rotates them.
if env.raw("JWT_KEYS") or env.raw("JWT_SECRET"):
    JWT_KEYS = env.jwt_keys()
