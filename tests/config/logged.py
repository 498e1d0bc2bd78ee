"""Writes log lines of every kind to standard error, as a server does: `python -m tests.config.logged json|text`."""

import logging
import sys

import django
import structlog
from django.test import Client

from config import logs


def fail_with_a_secret() -> None:
    """Fail while a local variable holds what nobody may read."""
    password = "-".join(["canary", "local"])  # noqa: F841, FLY002  # no line of the source holds the value
    raise RuntimeError("broken")


def main(form: str) -> None:
    """Answer some requests and log some lines."""
    django.setup()
    logs.configure(level="INFO", json=form == "json")
    library = logging.getLogger("some.library")
    library.debug("too fine")
    library.info("plain %s", "line", extra={"count": 3})
    Client(headers={"x-request-id": "the-request"}).get("/api/v1/no%0Asuch%0D%1B%5B31mpath/?token=canary-query")
    Client(headers={"host": "evil.example.com"}).get("/api/?token=canary-query")
    try:
        fail_with_a_secret()
    except RuntimeError:
        library.exception("failed")
        structlog.get_logger("layerline.test").exception("failed_too", attempt=1)


if __name__ == "__main__":
    main(sys.argv[1])
