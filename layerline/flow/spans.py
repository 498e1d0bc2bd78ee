"""The same way as spans of OpenTelemetry, for production: imported only where an endpoint is set.

A span is called what the tree of a trace calls it. What it says of itself are names, counts and times: no value that
was passed anywhere, no path (it may hold an id) but the route, nobody's id, no text of an exception.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from time import perf_counter_ns, time_ns
from typing import Any, Final, override

import structlog
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from layerline.flow import instrument, stack
from layerline.flow.layers import Layer
from layerline.flow.stack import Frame
from layerline.flow.words import REDIS, SQL, Narrator, is_failure, place, title, verb

REQUEST_ID: Final = "request_id"
_SYSTEMS: Final = {SQL: "postgresql", REDIS: "redis"}
_FIRST_SERVER_ERROR: Final = 500
_NANOSECONDS: Final = 1_000_000_000

_propagator: Final = TraceContextTextMapPropagator()


class Spans(Narrator):
    """Makes a span of each request, each layer and each statement."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        # With their frames, whose ids are nobody else's as long as they are kept.
        self._open: dict[int, tuple[Frame, Span]] = {}
        self._request: ContextVar[Span | None] = ContextVar("layerline_span", default=None)
        # What `perf_counter` has to be moved by to become the time of day.
        self._midnight = time_ns() - perf_counter_ns()

    @override
    def asked(self, request: HttpRequest) -> None:
        method = verb(request)
        span = self._tracer.start_span(
            method,
            # A parent that cannot be read counts as none.
            context=_propagator.extract(request.headers),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": method, "url.scheme": str(request.scheme)},
        )
        self._request.set(span)

    @override
    def answered(self, request: HttpRequest, response: HttpResponseBase | None) -> None:
        span = self._request.get()
        if span is None:
            return
        self._request.set(None)
        if request.resolver_match is not None:
            route = f"/{request.resolver_match.route.lstrip('^/')}"
            span.set_attribute("http.route", route)
            span.update_name(f"{verb(request)} {route}")
        if response is not None:
            span.set_attribute("http.response.status_code", response.status_code)
            span.set_attribute(REQUEST_ID, response.headers.get("X-Request-ID", ""))
        if response is None or response.status_code >= _FIRST_SERVER_ERROR:
            span.set_status(StatusCode.ERROR)
        span.end()

    @override
    def entered(self, frame: Frame) -> None:
        parent = self._around(frame.outer)
        context = set_span_in_context(parent) if parent is not None else _sender(frame)
        kind = SpanKind.CONSUMER if frame.layer is Layer.TASK else SpanKind.INTERNAL
        attributes = {
            "layerline.layer": str(frame.layer),
            **({"layerline.detail": frame.detail} if frame.detail else {}),
        }
        span = self._tracer.start_span(str(frame), context=context, kind=kind, attributes=attributes)
        self._open[id(frame)] = frame, span
        if frame.layer is Layer.JOB:
            # Whoever runs jobs binds it while one runs.
            request_id = str(structlog.contextvars.get_contextvars().get(REQUEST_ID, ""))
            for each in filter(None, (span, parent)):
                each.set_attribute(REQUEST_ID, request_id)

    @override
    def left(self, frame: Frame) -> None:
        _, span = self._open.pop(id(frame), (None, None))
        if span is None:
            return
        if frame.error is not None and is_failure(frame.error):
            span.set_status(StatusCode.ERROR, title(frame.error))
            span.set_attributes({"error.type": type(frame.error).__name__, "layerline.place": place(frame.error)})
        elif frame.refused:
            span.set_attribute("layerline.detail", "refused")
        span.end()

    @override
    def tell(self, kind: str, name: str, started: float | None = None, *, detail: str = "", error: str = "") -> None:
        around = self._around(stack.current())
        if around is None:
            return
        details = {"layerline.detail": detail} if detail else {}
        if started is None:
            around.add_event(f"{kind} {name}", details)
            return
        span = self._tracer.start_span(
            f"{kind} {name}",
            context=set_span_in_context(around),
            kind=SpanKind.CLIENT,
            attributes={"layerline.layer": kind, "db.system.name": _SYSTEMS[kind], "db.query.text": name, **details},
            start_time=int(started * _NANOSECONDS) + self._midnight,
        )
        if error:
            span.set_status(StatusCode.ERROR, error)
            span.set_attribute("error.type", error)
        span.end(perf_counter_ns() + self._midnight)

    @override
    def carried(self) -> Mapping[str, str]:
        around = self._around(stack.current())
        carrier: dict[str, str] = {}
        if around is not None:
            _propagator.inject(carrier, set_span_in_context(around))
        return carrier

    def _around(self, frame: Frame | None) -> Span | None:
        """Return the span of the innermost layer, or of the request."""
        for outer in frame.outwards() if frame else ():
            if id(outer) in self._open:
                return self._open[id(outer)][1]
        return self._request.get()


def _sender(frame: Frame) -> Context | None:
    """Return the trace that a task's message carries on."""
    headers: Any = getattr(getattr(frame.subject, "request", None), "headers", None)
    return _propagator.extract(headers) if frame.layer is Layer.TASK and headers else None


def export(exporter: SpanExporter, *, service: str) -> TracerProvider:
    """Watch this process from now on, and hand its spans to the exporter; return what can be flushed and shut down.

    The SDK reads its own variables: the sampler, the limits of a batch, further attributes of the service.

    Args:
        exporter: Where the spans go, in batches, from a thread.
        service: What the spans say they come from.
    """
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: service}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    instrument.install(Spans(provider.get_tracer("layerline")))
    return provider
