"""Traces for OpenTelemetry. Where no endpoint is set, nothing is imported and nothing is watched."""

from typing import Any, Final

from django.conf import settings
from django.utils.module_loading import import_string

_running: Final[list[Any]] = []


def start() -> None:
    """Export the spans of this process, if an endpoint is set; once is enough."""
    endpoint: str = settings.OTEL_EXPORTER_OTLP_ENDPOINT
    if not endpoint or _running:
        return
    make_exporter = import_string("opentelemetry.exporter.otlp.proto.http.trace_exporter.OTLPSpanExporter")
    export = import_string("layerline.flow.spans.export")
    # The path that the SDK itself adds to the variable, which it cannot read where a file holds it.
    exporter = make_exporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=settings.OTEL_EXPORTER_OTLP_TIMEOUT)
    _running.append(export(exporter, service=settings.OTEL_SERVICE_NAME))


def stop() -> None:
    """Hand over what is not exported yet: a worker's process ends without the interpreter's own farewell."""
    while _running:
        _running.pop().shutdown()
