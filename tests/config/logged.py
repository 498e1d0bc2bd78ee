"""Writes log lines of every kind to standard error, as a server does: `python -m tests.config.logged json|text`."""

import logging
import sys
from typing import Final

import django
import structlog
from django.test import Client

from config import logs

# No line of the source, which a traceback shows, holds the word.
BIRD: Final = "".join(reversed("yranac"))


def fail_with_a_secret() -> None:
    """Fail while a local variable holds what nobody may read."""
    password = f"{BIRD}-local"  # noqa: F841  # what a traceback could show
    raise RuntimeError("broken")


def fail_like_postgresql() -> None:
    """Fail with an error that shows the row below its first line."""
    raise ValueError(f"not unique\nDETAIL: Failing row contains ({BIRD}-row).")


def fail_with_what_was_sent() -> None:
    """Fail as a view does that repeats the body."""
    body = {"password": f"{BIRD}-sent", "email": f"{BIRD}@example.com", "name": "Ada"}
    try:
        fail_like_postgresql()
    except ValueError as cause:
        raise RuntimeError(f"cannot take {body}") from cause


def main(form: str) -> None:
    """Answer some requests and log some lines."""
    django.setup()
    logs.configure(level="INFO", json=form == "json")
    library = logging.getLogger("some.library")
    library.debug("too fine")
    library.info("half a pair: \ud800")
    library.info("plain %s", "line", extra={"count": 3})
    Client(headers={"x-request-id": "the-request"}).get("/api/v1/no%0Asuch%0D%1B%5B31mpath/?token=canary-query")
    Client(headers={"host": "evil.example.com"}).get("/api/?token=canary-query")
    try:
        fail_with_a_secret()
    except RuntimeError:
        library.exception("failed")
        structlog.get_logger("layerline.test").exception("failed_too", attempt=1)
    try:
        fail_with_what_was_sent()
    except RuntimeError:
        structlog.get_logger("layerline.test").exception("failed_three")
    library.warning("login of %s with %s failed", f"{BIRD}@example.com", f"Bearer {BIRD}-token")
    structlog.get_logger("layerline.test").info("masked", password=BIRD, nested={"phone": BIRD}, count=3)


if __name__ == "__main__":
    main(sys.argv[1])
