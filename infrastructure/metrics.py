"""What is counted for operators, in the form of Prometheus; read on the internal port alone.

Several processes of one program add up through files in the folder that PROMETHEUS_MULTIPROC_DIR names: the entry
points of a deployment make one. Without it each process counts for itself, and nobody reads it.
"""

from typing import Final

from django.conf import settings
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import REGISTRY, Collector

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
# Seconds. The targets of an API lie between a millisecond and a second.
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

_requests: Final = Counter("layerline_requests", "Requests that were answered.", ["method", "route", "status"])
_request_seconds: Final = Histogram(
    "layerline_request_seconds", "How long requests took.", ["method", "route"], buckets=_BUCKETS
)
_throttled: Final = Counter("layerline_throttled", "Requests and frames beyond a limit.", ["scope"])
_jobs: Final = Counter("layerline_jobs", "Attempts of jobs.", ["job", "outcome"])
_job_seconds: Final = Histogram("layerline_job_seconds", "How long attempts took.", ["job"], buckets=_BUCKETS)
_sockets: Final = Gauge("layerline_sockets", "Sockets that are open.", multiprocess_mode="livesum")
_frames: Final = Counter("layerline_frames", "Frames that clients sent.", ["type"])
_closings: Final = Counter("layerline_sockets_closed", "Sockets that ended.", ["code"])


def answered(*, method: str, route: str, status: int, seconds: float) -> None:
    """Count a request.

    Args:
        route: The pattern that its path fits, never the path: whoever asks for a million paths must not make a million
            counters.
    """
    # Strangers may call theirs what they like.
    method = method if method in _METHODS else "other"
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


def frame_read(*, kind: str) -> None:
    """Count a frame of a client, by its type, which must be known."""
    _frames.labels(kind).inc()


def exposition(*collectors: Collector) -> bytes:
    """Return all figures of this program's processes, and what the collectors look up now."""
    registry = CollectorRegistry()
    if settings.PROMETHEUS_MULTIPROC_DIR:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # it has no annotations
    else:
        registry.register(REGISTRY)
    for collector in collectors:
        registry.register(collector)
    return generate_latest(registry)
