"""What a good production environment looks like, and processes that start in one."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from config.env import PROJECT_ROOT

# Random once, so that no run meets an unlucky one; secrets of nothing.
SECRET: Final = "hN4wVq9ZtLr2YpXc7UsKf3JmGd8BoEaTiRzQ5nHyWkPvCjSlMuFxDgAe6b1O0"
JWT_SECRET: Final = "Zk8rTqLw3VnYp5XsCd7UfJm2GhBaEoRiWz9Q4tHyKbPv"
FERNET_KEY: Final = "q7Zt3LrYpXcUsKfJmGd8BoEaTiRz5nHyWkPvCjSlMuE="
OTHER_FERNET_KEY: Final = "Tw5VnYp8XsCdUfJmGhBaEoRiWzQtHyKbPvLq3Zk7rTE="

PRODUCTION: Final[Mapping[str, str]] = {
    "DATABASE_URL": "postgres://layerline:pw-canary-db@db.internal:5432/layerline",
    "REDIS_URL": "redis://:pw-canary-redis@redis.internal:6379/0",
    "SECRET_KEY": SECRET,
    "JWT_SECRET": JWT_SECRET,
    "FIELD_ENCRYPTION_KEYS": FERNET_KEY,
    "ALLOWED_HOSTS": "api.internal",
    "APP_URL": "https://app.internal",
    "DEFAULT_FROM_EMAIL": "Layerline <no-reply@api.internal>",
    "EMAIL_URL": "smtp+tls://user:pw-canary-mail@mail.internal:587",
}


def environment(changes: Mapping[str, str | None]) -> dict[str, str]:
    """Return the good environment with some variables changed, or taken away where None."""
    return {name: value for name, value in {**PRODUCTION, **changes}.items() if value is not None}


def start_production(cases: Sequence[Mapping[str, str]]) -> list[tuple[str | None, str | None]]:
    """Return for each environment the refusal and its traceback, None for one that starts."""
    answer = subprocess.run(
        [sys.executable, "-m", "tests.config.production"],
        cwd=PROJECT_ROOT,
        input=json.dumps([dict(case) for case in cases]),
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    return [tuple(outcome) for outcome in json.loads(answer.stdout)]


def manage(*arguments: str, settings: str, variables: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run manage.py in an environment of these variables alone."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT_ROOT,
        env={"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": settings, **variables},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
