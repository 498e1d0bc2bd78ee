"""The test suite: the real PostgreSQL and Redis, cheap password hashes, limits out of the way."""

import os

# One prefix for each process of a run: parallel workers and parallel runs share one Redis without meeting.
os.environ["REDIS_KEY_PREFIX"] = f"test:{os.getpid()}"
# What fails in a test is nobody's fault.
os.environ.pop("SENTRY_DSN", None)
os.environ.pop("SENTRY_DSN_FILE", None)

from config import env, logs  # they read what was just set

from .base import *  # noqa: F403  # as above; settings modules stack

SECRET_KEY = "test-only-" + "s" * 50
JWT_KEYS = [{"kid": "test", "secret": "test-only-" + "j" * 32, "sign": True}]
FIELD_ENCRYPTION_KEYS = ["dGVzdC1vbmx5LXRlc3Qtb25seS10ZXN0LW9ubHktISE="]
APP_URL = "https://app.example.com"
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]

# For the gate alone: it reads migrations as the release before them would.
INSTALLED_APPS = [*INSTALLED_APPS, "django_migration_linter"]  # noqa: F405  # from base

# The toolkit is tried on a slice that breaks every rule.
LAYERLINE_SLICES = [*LAYERLINE_SLICES, "tests.layerline.flow.slices"]  # noqa: F405  # from base

# A fresh one for each test that keeps a file, as for mails.
STORAGES["default"] = {"BACKEND": "django.core.files.storage.InMemoryStorage"}  # noqa: F405  # from base

ARGON2_TIME_COST = 1
ARGON2_MEMORY_COST = 8
# Tests of many at once are about something else.
PASSWORD_HASHES_AT_ONCE = PASSWORD_HASHES_WAITING = 1_000

EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
# Tests of limits set their own; every other test must not meet one.
SOCKETS_PER_USER = 1_000
THROTTLE_RATES = dict.fromkeys(THROTTLE_RATES, (100_000, 60))  # noqa: F405  # from base

logs.configure(level=env.choice("LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR"), "WARNING"), json=False)
