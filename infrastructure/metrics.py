"""What is counted for operators, in the form of Prometheus; read on the internal port alone.

Several processes of one program add up through files in the folder that PROMETHEUS_MULTIPROC_DIR names: the entry
points of a deployment make one. Without it each process counts for itself, and nobody reads it.
"""

from collections.abc import Iterator
from typing import Final

from django.conf import settings
from django.db import Error
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import REGISTRY, Collector
from psycopg_pool import PoolTimeout

from infrastructure.queue import outbox

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
# Seconds. The targets of an API lie between a millisecond and a second.
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

_requests: Final = Counter("layerline_requests", "Requests that were answered.", ["method", "route", "status"])
_request_seconds: Final = Histogram(
    "layerline_request_seconds", "How long requests took.", ["method", "route"], buckets=_BUCKETS
)
_throttled: Final = Counter("layerline_throttled", "Requests and frames beyond a limit.", ["scope"])
_jobs: Final = Counter("layerline_jobs", "Attempts of jobs.", ["job", "outcome"])
_job_seconds: Final = Histogram("layerline_job_seconds", "How long attempts took.", ["job"], buckets=_BUCKETS)
_sockets: Final = Gauge("layerline_sockets", "Sockets that are open.", multiprocess_mode="livesum")
_frames: Final = Counter("layerline_frames", "Frames that clients sent.", ["type", "outcome"])
_closings: Final = Counter("layerline_sockets_closed", "Sockets that ended.", ["code"])


def answered(*, method: str, route: str, status: int, seconds: float) -> None:
    """Count a request.

    Args:
        route: The pattern that its path fits, never the path: whoever asks for a million paths must not make a million
            counters.
    """
    _requests.labels(method, route, status).inc()
    _request_seconds.labels(method, route).observe(seconds)


def throttled(*, scope: str) -> None:
    """Count what was refused for a limit."""
    _throttled.labels(scope).inc()


def worked(*, job: str, outcome: str, seconds: float) -> None:
    """Count an attempt of a job."""
    _jobs.labels(job, outcome).inc()
    _job_seconds.labels(job).observe(seconds)


def socket_opened() -> None:
    _sockets.inc()


def socket_closed(*, code: int | None) -> None:
    """Count the end of a socket, by its close code; None where there was none."""
    _sockets.dec()
    _closings.labels(code or "none").inc()


def frame_read(*, kind: str, outcome: str) -> None:
    """Count a frame of a client.

    Args:
        kind: A type that is known, or `unknown`.
    """
    _frames.labels(kind, outcome).inc()


class OutboxCollector(Collector):
    """Looks at the outbox when somebody asks."""

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


def exposition() -> bytes:
    """Return all figures of this program's processes, and those of the outbox."""
    registry = CollectorRegistry()
    if settings.PROMETHEUS_MULTIPROC_DIR:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # it has no annotations
    else:
        registry.register(REGISTRY)
    registry.register(OutboxCollector())
    return generate_latest(registry)
