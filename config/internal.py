"""What only operators read, on a port that no proxy leads to: `python -m config.internal` beside a program.

`/metrics` for Prometheus, and `/health/ready/` with what each of the servers behind says. It ends with the program
that it stands beside.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from socketserver import ThreadingMixIn
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
from django.conf import settings
from django.db import Error
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from psycopg_pool import PoolTimeout

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
if __name__ == "__main__":
    django.setup()

from apps.common.selectors import HealthSelector  # Django is set up only now
from infrastructure import metrics  # as above
from infrastructure.queue import outbox  # as above

type StartResponse = Callable[[str, list[tuple[str, str]]], Any]

_SECONDS_BETWEEN_LOOKS: Final = 1.0


def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Answer one request; whatever fails says so in the answer."""
    match environ.get("PATH_INFO"):
        case "/metrics":
            start_response("200 OK", [("Content-Type", metrics.CONTENT_TYPE)])
            return [metrics.exposition(_Outbox())]
        case "/health/ready/":
            health = HealthSelector.now()
            status = "503 Service Unavailable" if health.status == "unavailable" else "200 OK"
            start_response(status, [("Content-Type", "application/json")])
            return [json.dumps({"status": health.status, "checks": dict(health.checks)}).encode()]
        case _:
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"/metrics or /health/ready/\n"]


class _Outbox(Collector):
    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield how many rows are in each state, and how long the oldest waits."""
        try:
            depth = outbox.depth()
        except (Error, PoolTimeout):
            # All else can be told without PostgreSQL.
            return
        rows = GaugeMetricFamily("layerline_outbox_rows", "Rows of the outbox that are not done.", labels=["state"])
        for state in ("pending", "published", "dead"):
            rows.add_metric([state], getattr(depth, state))
        yield rows
        yield GaugeMetricFamily(
            "layerline_outbox_oldest_seconds", "How long the oldest row waits that is due.", value=depth.oldest
        )


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None: ...


def main() -> None:
    """Serve until the program that this stands beside has ended."""
    beside = os.getppid()
    with make_server(settings.INTERNAL_HOST, settings.INTERNAL_PORT, application, _Server, _Silent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        while os.getppid() == beside:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
    sys.exit()


if __name__ == "__main__":
    main()
