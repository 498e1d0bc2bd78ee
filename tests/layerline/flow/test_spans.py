"""The spans of what a small slice does: the same names as in a trace, and no value."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from rest_framework.test import APIClient

from infrastructure.queue.models import OutboxRow
from layerline.flow import instrument
from layerline.flow.spans import Spans
from tests.layerline.flow.slices.shelf import tasks
from tests.layerline.flow.slices.shelf.services import ShelfService

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.layerline.flow.slices.shelf.urls"),
]

_TRACE = "0af7651916cd43dd8448eb211c80319c"
_PARENT = "b7ad6b7169203331"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with instrument.installed(Spans(provider.get_tracer("tests"))):
        yield exporter


def way(spans: InMemorySpanExporter) -> list[str]:
    """Return the names of all spans in their order, indented as they lie in each other, without the middleware."""
    finished = sorted(spans.get_finished_spans(), key=lambda span: span.start_time or 0)
    by_id = {span.context.span_id: span for span in finished if span.context}

    def depth(span: ReadableSpan) -> int:
        parent = by_id.get(span.parent.span_id) if span.parent else None
        return 0 if parent is None else depth(parent) + (not span.name.startswith("middleware"))

    return ["  " * depth(span) + span.name for span in finished if not span.name.startswith("middleware")]


def one(spans: InMemorySpanExporter, name: str) -> ReadableSpan:
    [span] = [span for span in spans.get_finished_spans() if span.name.startswith(name)]
    return span


def test_a_request_is_a_tree_of_the_names_that_a_trace_shows(spans: InMemorySpanExporter) -> None:
    APIClient().get("/OpenView/?search=canary", headers={"X-Request-ID": "mine"})

    assert way(spans) == [
        "GET /OpenView/",
        "  view OpenView.get",
        "    permission AllowAny",
        "    selector ShelfSelector.names",
        "      sql SELECT … FROM auth_group",
        "  renderer JSONRenderer",
    ]
    request, statement = one(spans, "GET"), one(spans, "sql")
    assert request.attributes == {
        "http.request.method": "GET",
        "url.scheme": "http",
        "http.route": "/OpenView/",
        "http.response.status_code": 200,
        "request_id": "mine",
    }
    assert statement.attributes == {
        "layerline.layer": "sql",
        "db.system.name": "postgresql",
        "db.query.text": "SELECT … FROM auth_group",
    }
    assert request.start_time < statement.start_time < statement.end_time < request.end_time  # type: ignore[operator]


@pytest.mark.parametrize("verb", ["get", "post"])
def test_a_request_goes_on_with_the_trace_of_its_client(spans: InMemorySpanExporter, verb: str) -> None:
    getattr(APIClient(), verb)("/OpenView/", headers={"traceparent": f"00-{_TRACE}-{_PARENT}-01"})

    request = one(spans, verb.upper())
    assert request.context is not None
    assert request.parent is not None
    assert f"{request.context.trace_id:032x}" == _TRACE
    assert f"{request.parent.span_id:016x}" == _PARENT


@pytest.mark.parametrize(
    "traceparent", ["", "00", f"00-{_TRACE}-{'0' * 16}-01", "x" * 10_000, f"ff-{_TRACE}-{_PARENT}-01"]
)
def test_a_trace_that_cannot_be_read_counts_as_none(spans: InMemorySpanExporter, traceparent: str) -> None:
    assert APIClient().get("/OpenView/", headers={"traceparent": traceparent}).status_code == 200

    assert one(spans, "GET").parent is None


def test_a_client_that_does_not_sample_is_followed(spans: InMemorySpanExporter) -> None:
    APIClient().get("/OpenView/", headers={"traceparent": f"00-{_TRACE}-{_PARENT}-00"})

    assert spans.get_finished_spans() == ()


def test_an_error_stands_at_its_layer_without_its_text(spans: InMemorySpanExporter) -> None:
    APIClient(raise_request_exception=False).get("/FailingServiceView/")

    service, request = one(spans, "service"), one(spans, "GET")
    assert (service.status.status_code, service.status.description) == (StatusCode.ERROR, "LookupError")
    assert service.attributes is not None
    assert service.attributes["error.type"] == "LookupError"
    assert str(service.attributes["layerline.place"]).startswith("tests/layerline/flow/slices/shelf/services.py:")
    assert request.status.status_code == StatusCode.ERROR
    assert "not to be shown" not in "".join(span.to_json() for span in spans.get_finished_spans())


def test_a_refusal_is_no_error_of_the_server(spans: InMemorySpanExporter) -> None:
    APIClient().get("/FailingPermissionView/")

    assert one(spans, "GET").status.status_code == StatusCode.UNSET
    assert dict(one(spans, "permission").attributes or {})["layerline.detail"] == "refused"


def test_what_happens_at_a_moment_is_an_event_of_its_layer(spans: InMemorySpanExporter) -> None:
    APIClient().post("/OrderView/", {"name": "canary"})

    assert [event.name for event in one(spans, "service ShelfService.order_and_tell").events] == [
        "transaction BEGIN",
        "queued services.ShelfService.tell_sockets",
        "transaction COMMIT",
    ]


def test_a_job_names_the_request_that_wanted_it(spans: InMemorySpanExporter) -> None:
    row = OutboxRow.objects.create(name="shelf.add_by_name", payload={"name": "canary"}, request_id="mine")
    spans.clear()

    tasks.add_by_name.apply(args=(str(row.pk),), headers={"traceparent": f"00-{_TRACE}-{_PARENT}-01"})

    task, job = one(spans, "task"), one(spans, "job")
    assert dict(task.attributes or {})["request_id"] == dict(job.attributes or {})["request_id"] == "mine"
    assert task.context is not None
    assert f"{task.context.trace_id:032x}" == _TRACE
    assert job.context is not None
    assert job.context.trace_id == task.context.trace_id
    assert "canary" not in "".join(span.to_json() for span in spans.get_finished_spans())


def test_an_http_request_that_leaves_carries_the_trace_on(spans: InMemorySpanExporter) -> None:
    received: list[str | None] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            received.append(self.headers["traceparent"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        ShelfService.call(address=f"http://127.0.0.1:{server.server_port}/")
        server.shutdown()

    context = one(spans, "service ShelfService.call").context
    assert context is not None
    [traceparent] = received
    assert traceparent is not None
    assert traceparent.split("-")[:3] == ["00", f"{context.trace_id:032x}", f"{context.span_id:016x}"]


def test_no_span_tells_anything_that_was_sent(spans: InMemorySpanExporter) -> None:
    client = APIClient()
    client.post("/OrderView/?token=canary", {"name": "canary"}, headers={"Authorization": "Bearer canary"})
    client.get("/canary/canary@example.com/")
    client.generic("CANARY", "/OpenView/")
    client.post("/OrderView/", data='{"canary', content_type="application/json")

    told = json.dumps([span.to_json() for span in spans.get_finished_spans()])
    assert "service ShelfService.order" in told
    assert "canary" not in told.lower()
