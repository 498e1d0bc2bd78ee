"""What PostgreSQL itself needs for a request: a JSON list of paths and tokens comes in, milliseconds of each go out."""

import io
import json
import sys
from collections.abc import Callable
from statistics import median
from typing import Any, Final

import django

django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402  # Django comes first
from django.db import connection  # noqa: E402

_TIMES: Final = 15


def statements_of(application: Any, path: str, token: str) -> list[tuple[str, Any]]:
    """Return the statements of a request, and what is put into them."""
    taken: list[tuple[str, Any]] = []

    def take(execute: Callable[..., Any], statement: str, values: Any, many: bool, context: Any) -> Any:  # noqa: FBT001  # Django's
        taken.append((statement, values))
        return execute(statement, values, many, context)

    path, _, query = path.partition("?")
    environment = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "api.internal",
        "HTTP_X_FORWARDED_PROTO": "https",
        "HTTP_AUTHORIZATION": f"Bearer {token}",
        "wsgi.input": io.BytesIO(),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
    }
    statuses: list[str] = []
    with connection.execute_wrapper(take):
        answer = application(environment, lambda status, _: statuses.append(status))
        content = b"".join(answer)
    if statuses != ["200 OK"]:
        raise SystemExit(f"{path}: {statuses}, {content[:500].decode()}")
    return taken


def milliseconds(statement: str, values: Any) -> float:
    """Return how long PostgreSQL plans and runs a statement, by its own clock."""
    taken = []
    for _ in range(_TIMES):
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}", values)
            [[plan]] = cursor.fetchone()
            taken.append(plan["Planning Time"] + plan["Execution Time"])
    return float(median(taken))


def main() -> None:
    application = get_wsgi_application()
    shown = [
        sum(milliseconds(*one) for one in statements_of(application, path, token))
        for path, token in json.load(sys.stdin)
    ]
    print(json.dumps(shown))


if __name__ == "__main__":
    main()
