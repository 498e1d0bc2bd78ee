"""What is recorded while requests, tasks and sockets go on, and what never is."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test import AsyncClient
from pytest_django import Settings
from rest_framework.test import APIClient

from apps.users.tasks import send_welcome_email
from apps.users.tests.factories import PASSWORD, UserFactory
from infrastructure.queue.models import OutboxRow
from layerline.devpages import flows
from layerline.devpages.recording import _WAITING, MOST_NODES, Recording, Writer
from layerline.flow import instrument, stack
from layerline.flow.trace import trace_socket
from tests.layerline.flow.slices.shelf import selectors, services, tasks

pytestmark = pytest.mark.django_db(transaction=True)

_SERVE = """
import django, sys
django.setup()
from django.test import Client
status = Client(raise_request_exception=False).get("/api/v1/nothing/", headers={"host": "localhost"}).status_code
print(status, "layerline.devpages.recording" in sys.modules, "layerline.flow.instrument" in sys.modules)
"""


@pytest.fixture
def recording(flows_dir: Path, settings: Settings) -> Iterator[Recording]:
    settings.ROOT_URLCONF = "tests.layerline.flow.slices.shelf.urls"
    settings.ASGI_APPLICATION = "tests.layerline.flow.slices.shelf.asgi.application"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    for module in (selectors, services):
        instrument.watch_module(module)
    recording = Recording()
    recording.begin()
    yield recording
    recording.end()


def recorded(recording: Recording, kind: str = flows.REQUEST) -> list[flows.Flow]:
    recording.writer.drain()
    return flows.latest(kind)


def kinds(flow: flows.Flow) -> list[str]:
    def below(nodes: list[dict[str, object]]) -> Iterator[str]:
        for node in nodes:
            yield str(node["kind"])
            yield from below(node["children"])  # type: ignore[arg-type]  # a tree of them

    return [kind for kind in below(flows.read(flow.id)[1]) if kind not in {"middleware", "transaction"}]


def test_a_request_is_kept_with_its_way(recording: Recording) -> None:
    response = APIClient().get("/OpenView/?search=canary&page=2&canary", headers={"X-Request-ID": "mine"})

    [flow] = recorded(recording)
    assert response.status_code == 200
    assert (flow.method, flow.name, flow.status) == ("GET", "/OpenView/?search=…&page=…", "200")
    assert (flow.request_id, flow.user_id, flow.sql) == ("mine", "", 1)
    assert flow.milliseconds > 0
    assert kinds(flow) == ["view", "permission", "selector", "sql", "renderer"]


def test_whoever_is_signed_in_is_kept_by_his_id_alone(recording: Recording, settings: Settings) -> None:
    settings.ROOT_URLCONF = "config.urls"
    user = UserFactory.create(email="canary@example.com")
    client = APIClient()
    access = client.post("/api/v1/auth/login/", {"email": user.email, "password": PASSWORD}).json()["access"]

    client.get("/api/v1/auth/me/", headers={"Authorization": f"Bearer {access}"})

    assert [(flow.name, flow.user_id) for flow in recorded(recording)] == [
        ("/api/v1/auth/me/", str(user.pk)),
        ("/api/v1/auth/login/", ""),
    ]


def test_a_request_over_asgi_is_kept_as_over_wsgi(recording: Recording, settings: Settings) -> None:
    settings.ROOT_URLCONF = "config.urls"
    user = UserFactory.create()
    access = APIClient().post("/api/v1/auth/login/", {"email": user.email, "password": PASSWORD}).json()["access"]

    headers = {"Authorization": f"Bearer {access}", "X-Request-ID": "mine"}
    response = async_to_sync(AsyncClient().get)("/api/v1/auth/me/", headers=headers)

    flow = recorded(recording)[0]
    assert response.status_code == 200
    assert (flow.name, flow.request_id, flow.user_id, flow.sql) == ("/api/v1/auth/me/", "mine", str(user.pk), 1)
    assert {"authentication", "service", "selector", "sql", "permission", "throttle", "serializer"} < set(kinds(flow))


def test_a_task_is_found_under_the_id_of_the_request_that_wanted_it(recording: Recording) -> None:
    APIClient().post("/OrderView/", {"name": "ordered"}, headers={"X-Request-ID": "mine"})
    tasks.add_by_name.apply(args=(str(OutboxRow.objects.get().pk),))

    [task] = recorded(recording, flows.TASK)
    assert (task.method, task.name, task.status, task.request_id) == ("TASK", "shelf.add_by_name", "done", "mine")
    assert {"task", "job", "service", "mail"} <= set(kinds(task))
    assert [flow.id for flow in flows.of_request(flows.TASK, "mine")] == [task.id]
    [request] = recorded(recording)
    assert "job" not in kinds(request)
    assert request.frames == 1


def test_a_task_that_fails_is_kept_as_failed(recording: Recording) -> None:
    row = OutboxRow.objects.create(name="shelf.fail_as_a_job", payload={}, request_id="mine")

    tasks.fail_as_a_job.apply(args=(str(row.pk),))

    assert [flow.status for flow in recorded(recording, flows.TASK)] == ["failed"]


def test_a_task_of_no_request_is_not_kept(recording: Recording) -> None:
    tasks.add.apply()

    assert recorded(recording, flows.TASK) == []


def test_events_of_a_socket_are_kept_one_by_one(recording: Recording) -> None:
    trace_socket("/ws/shelf/", texts=['{"type": "order", "name": "canary"}'], headers={}, actor="")

    assert [(flow.method, flow.name, flow.status) for flow in recorded(recording, flows.FRAME)][::-1] == [
        ("WS", "OrderConsumer.websocket_connect", "done"),
        ("WS", "OrderConsumer.websocket_receive order", "done"),
        ("WS", "OrderConsumer.shelf_changed", "done"),
        ("WS", "OrderConsumer.websocket_disconnect", "done"),
    ]


def test_requests_at_the_same_time_are_kept_apart(recording: Recording) -> None:
    def ask(number: int) -> None:
        path = "/OpenView/" if number % 2 else "/AskingView/"
        APIClient().get(path, headers={"X-Request-ID": f"{number}"})
        connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(24)))

    assert {flow.request_id: flow.sql for flow in recorded(recording)} == {
        str(number): 1 if number % 2 else 3 for number in range(24)
    }


def test_nothing_that_was_sent_or_stored_is_kept(recording: Recording, settings: Settings, flows_dir: Path) -> None:
    settings.ROOT_URLCONF = "config.urls"
    password, phone, email, name = "mellon and then some", "+442079460000", "canary@example.com", "Canary"
    client = APIClient()
    account = {"email": email, "name": name, "password": password, "phone": phone}
    client.post(f"/api/v1/auth/register/?token={password}", account, headers={"X-Canary": name})
    pair = client.post("/api/v1/auth/login/", {"email": email, "password": password}).json()
    client.get("/api/v1/auth/me/", headers={"Authorization": f"Bearer {pair['access']}"})
    client.post("/api/v1/auth/refresh/", {"refresh": pair["refresh"]})
    client.post("/api/v1/auth/login/", {"email": email, "password": "wrong canary"})
    client.post("/api/v1/auth/login/", data='{"email": "canary', content_type="application/json")
    client.generic("CANARY", "/api/v1/auth/me/")
    [row] = OutboxRow.objects.all()
    send_welcome_email.apply(args=(str(row.pk),))

    assert len(recorded(recording)) == 7
    assert len(recorded(recording, flows.TASK)) == 1
    written = "".join(file.read_text() for file in flows_dir.rglob("*.json"))
    for canary in (password, phone, phone[1:], email, "canary", name, pair["access"], pair["refresh"], "eyJ", "argon2"):
        assert canary.lower() not in written.lower()


def test_the_pages_that_show_flows_are_not_kept(recording: Recording) -> None:
    APIClient().get("/dev/flows/")

    assert recorded(recording) == []


def test_a_request_is_answered_though_its_flow_cannot_be_written(
    recording: Recording, flows_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    flows_dir.parent.mkdir(parents=True, exist_ok=True)
    flows_dir.write_text("a file where the folder should be")

    assert APIClient().get("/OpenView/").status_code == 200
    recording.writer.drain()

    assert "flow_not_recorded" in caplog.text
    assert flows_dir.is_file()


def test_what_comes_faster_than_it_can_be_written_is_dropped_and_holds_nobody_up() -> None:
    writer, go, written = Writer(), Event(), []
    writer.put(lambda: (go.wait(), None)[1])
    for number in range(_WAITING * 3):
        writer.put(lambda number=number: written.append(number))  # type: ignore[misc]  # bound at once

    go.set()
    writer.drain()

    assert written[0] == 0
    assert _WAITING - 1 <= len(written) <= _WAITING


def test_a_request_that_does_very_much_is_kept_up_to_a_limit(recording: Recording) -> None:
    stack.observers[-1].asked(request := APIClient().get("/OpenView/").wsgi_request)
    for _ in range(MOST_NODES + 100):
        recording.transaction("BEGIN")
    recording.answered(request, None)

    flow = recorded(recording)[0]
    assert len(flows.read(flow.id)[1]) == MOST_NODES
    assert flow.status == "failed"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings_module", "mark", "expected"),
    [
        ("config.settings.local", "mark", "404 True True"),
        ("config.settings.local", None, "404 False True"),
        ("config.settings.test", "mark", "404 False False"),
    ],
)
def test_only_the_programs_of_a_local_run_record(
    settings_module: str, mark: str | None, expected: str, tmp_path: Path
) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "LAYERLINE_RUN"}
    environment |= {"DJANGO_SETTINGS_MODULE": settings_module} | ({"LAYERLINE_RUN": mark} if mark else {})

    done = subprocess.run(
        [sys.executable, "-c", _SERVE], env=environment, capture_output=True, text=True, check=True, timeout=50
    )

    assert done.stdout.splitlines()[-1] == expected


def test_a_tree_comes_back_from_its_file_as_it_was(recording: Recording) -> None:
    APIClient().get("/OpenView/")

    [flow] = recorded(recording)
    raw = flows.read(flow.id)[1]
    assert json.loads(json.dumps(raw)) == raw
    assert set(raw[0]) == {"kind", "name", "start", "took", "detail", "error", "place", "module", "children"}
