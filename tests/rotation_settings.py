"""What a process runs with that changes keys beside the tests: their database, their names in Redis, its own keys."""

import os

from config import env
from config.settings.test import *  # noqa: F403  # settings modules stack

FIELD_ENCRYPTION_KEYS = env.fernet_keys("FIELD_ENCRYPTION_KEYS")
REDIS_KEY_PREFIX = os.environ["TEST_REDIS_KEY_PREFIX"]
CACHES["default"]["KEY_PREFIX"] = REDIS_KEY_PREFIX  # noqa: F405  # from the settings of the tests
