"""What a deployment exports to a collector of OpenTelemetry: a real server and worker, and a real OTLP receiver."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.e2e.servers import gunicorn, running
from tests.infrastructure.queue.servers import Broker, wait_until, worker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

_TRACE = "0af7651916cd43dd8448eb211c80319c"


class Collector:
    """Keeps every span that it was sent."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.received: list[ExportTraceServiceRequest] = []

    def spans(self, start: str = "") -> list[Span]:
        return [
            span
            for request in list(self.received)
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
            if span.name.startswith(start)
        ]

    def services(self) -> set[str]:
        return {
            attribute.value.string_value
            for request in self.received
            for resource in request.resource_spans
            for attribute in resource.resource.attributes
            if attribute.key == "service.name"
        }


@contextmanager
def collector() -> Iterator[Collector]:
    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/traces":
                collected.received.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        collected = Collector(server.server_port)
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield collected
        server.shutdown()


def text(span: Span, key: str) -> str:
    return next((each.value.string_value for each in span.attributes if each.key == key), "")


def test_a_request_with_its_statements_and_its_task_is_one_trace(environment: dict[str, str], tmp_path: Path) -> None:
    account = {"email": "canary@example.com", "name": "Canary", "password": "canary lanterns", "phone": "+442079460000"}
    with collector() as collected, Broker() as own:
        telling = environment | {
            # Or a worker that tells nothing, of another test, might take the job.
            "BROKER_URL": own.url,
            "OTEL_EXPORTER_OTLP_ENDPOINT": collected.url,
            "OTEL_SERVICE_NAME": "shop",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }
        with (
            worker(log=tmp_path / "worker.log", environment=telling),
            running(gunicorn, log=tmp_path / "gunicorn.log", environment=telling) as server,
        ):
            answer = server.send(
                "POST",
                "/api/v1/auth/register/?canary=canary",
                json=account,
                headers={"traceparent": f"00-{_TRACE}-b7ad6b7169203331-01", "X-Request-ID": "mine"},
            )
            assert answer.status_code == 201
            [request] = wait_until(lambda: collected.spans("POST "))
            [job] = wait_until(lambda: collected.spans("job "), seconds=30)
            wait_until(lambda: collected.spans("task "))

    by_id = {span.span_id: span for span in collected.spans() if span.trace_id.hex() == _TRACE}
    assert (request.name, text(request, "request_id")) == ("POST /api/v1/auth/register/", "mine")
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (_TRACE, "b7ad6b7169203331")
    assert (job.name, text(job, "request_id"), job.trace_id.hex()) == ("job users.send_welcome_email", "mine", _TRACE)
    insert = next(span for span in by_id.values() if span.name.startswith("sql INSERT INTO users "))
    outwards = [insert.name.split(" ")[0]]
    while (insert := by_id.get(insert.parent_span_id, Span())).name:
        outwards.append(insert.name.split(" ")[0])
    # Each once: how many services a registration goes through is no matter of this test.
    assert [name for name in dict.fromkeys(outwards) if name != "middleware"] == ["sql", "service", "view", "POST"]
    assert collected.services() == {"shop"}
    told = json.dumps([str(request) for request in collected.received])
    for canary in ("canary", *account.values(), "argon2"):
        assert canary.lower() not in told.lower()


def test_a_collector_that_is_away_costs_no_request(environment: dict[str, str], tmp_path: Path) -> None:
    telling = environment | {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}

    with running(gunicorn, log=tmp_path / "gunicorn.log", environment=telling) as server:
        answers = [server.send("GET", "/api/v1/auth/me/") for _ in range(20)]

    assert {answer.status_code for answer in answers} == {401}
    assert max(answer.elapsed.total_seconds() for answer in answers) < 1
