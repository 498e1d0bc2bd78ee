"""What a trace shows of the tasks, the sockets and the errors of a small slice."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core import mail
from django.db import transaction

from infrastructure import redis
from infrastructure.queue import outbox
from infrastructure.queue.models import OutboxRow, OutboxState
from layerline.flow import instrument, messages, report
from layerline.flow.recorder import Node, Recorder
from layerline.flow.trace import Trace, _run as run_kept, trace, trace_socket, trace_task
from tests.layerline.flow.slices.shelf import tasks
from tests.layerline.flow.slices.shelf.services import ShelfService

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.layerline.flow.slices.shelf.urls"),
]


def order(*, run_tasks: bool = True) -> Trace:
    body = json.dumps({"name": "ordered"}).encode()
    return trace("POST", "/OrderView/", body=body, headers={}, actor="", run_tasks=run_tasks)


def talk(*frames: dict[str, Any], path: str = "/ws/shelf/") -> Trace:
    return trace_socket(path, texts=[json.dumps(frame) for frame in frames], headers={}, actor="")


def ways(nodes: list[Node]) -> list[str]:
    """Return what happened in and below the nodes, without the steps of transactions."""
    return [
        " ".join(filter(None, [node.kind, node.name if node.kind != "sql" else "", node.detail]))
        for root in nodes
        for _, node in root.walk()
        if node.kind not in {"transaction", "middleware"}
    ]


def waiting_for_a_worker() -> int:
    """Return how many messages lie in the broker."""
    return int(redis.client().llen(redis.key("celery", "celery")))


class TestTasks:
    def test_run_after_the_answer_as_a_worker_runs_them(self) -> None:
        traced = order()

        assert traced.status == "202 Accepted"
        [task] = traced.tasks
        assert (task.kind, task.name, task.error) == ("task", "shelf.add_by_name", "")
        assert [way for way in ways([task]) if not way.startswith("sql")] == [
            "task shelf.add_by_name",
            "job shelf.add_by_name",
            "service ShelfService.add",
            "leaves a mail",
            "mail EmailBackend",
        ]
        assert task.start > traced.took
        assert list(Group.objects.values_list("name", flat=True)) == ["ordered"]
        assert len(mail.outbox) == 1
        assert OutboxRow.objects.get().state == OutboxState.DONE
        assert waiting_for_a_worker() == 0

    def test_are_left_to_the_worker_if_told_so(self) -> None:
        traced = order(run_tasks=False)

        assert traced.tasks == []
        assert OutboxRow.objects.get().state == OutboxState.PUBLISHED
        assert not Group.objects.exists()
        assert waiting_for_a_worker() == 1

    def test_that_a_worker_had_first_are_not_run_again(self) -> None:
        recorder = Recorder()
        with instrument.installed(recorder), messages.kept() as queued:
            with transaction.atomic():
                key = outbox.enqueue("shelf.add_by_name", {"name": "once"})
            tasks.add_by_name(str(key))
            recorder.begin()
            [task] = run_kept(queued, recorder)

        assert task.detail == "there was nothing left to do: a worker had it first"
        assert Group.objects.count() == 1
        assert OutboxRow.objects.get().attempts == 1

    def test_that_wait_for_another_run_when_their_turn_comes(self) -> None:
        recorder = Recorder()
        with instrument.installed(recorder), messages.kept() as queued:
            for name in ("first", "second"):
                ShelfService.order(name=name, order_key="shelf")
            assert len(queued) == 1
            recorder.begin()
            ran = run_kept(queued, recorder)

        assert [task.name for task in ran] == ["shelf.add_by_name", "shelf.add_by_name"]
        assert list(Group.objects.order_by("id").values_list("name", flat=True)) == ["first", "second"]

    def test_tell_sockets_as_requests_do(self) -> None:
        traced = trace_task("shelf.tell_sockets", {})

        assert [(frame.name, frame.detail) for frame in traced.frames] == [("group_send shelf", "shelf.changed")]

    def test_that_are_no_jobs_are_traced_by_name_too(self) -> None:
        traced = trace_task("shelf.add", {})

        assert traced.status == "done"
        assert ways(traced.tasks) == ["task shelf.add", "service ShelfService.add", "sql"]
        assert Group.objects.get().name == "from a task"


class TestFrames:
    def test_of_a_request_are_what_it_told_the_sockets(self) -> None:
        traced = order()

        assert [(frame.kind, frame.name, frame.detail) for frame in traced.frames] == [
            ("channel layer", "group_send shelf", "shelf.changed")
        ]
        assert traced.as_json()["frames"][0]["name"] == "group_send shelf"

    def test_of_a_socket_are_shown_one_by_one_with_what_they_did(self) -> None:
        traced = talk({"type": "order"})

        assert traced.status == "open"
        assert ways(traced.tree) == ["consumer OrderConsumer.websocket_connect", "sent websocket.accept"]
        received, changed, closed = traced.frames
        assert [way for way in ways([received]) if not way.startswith("sql")] == [
            "consumer OrderConsumer.websocket_receive order",
            "service ShelfService.order_and_tell",
            "service ShelfService.order",
            "queued outbox.enqueue for the commit",
            "queued services.ShelfService.tell_sockets for the commit",
            "on commit outbox.enqueue",
            "leaves the message of task shelf.add_by_name",
            "on commit services.ShelfService.tell_sockets",
            "service ShelfService.tell_sockets",
            "leaves a message to sockets",
            "channel layer group_send shelf shelf.changed",
            "sent websocket.send ack",
        ]
        assert ways([changed]) == ["consumer OrderConsumer.shelf_changed", "sent websocket.send shelf.changed"]
        assert ways([closed]) == ["consumer OrderConsumer.websocket_disconnect"]
        assert [task.name for task in traced.tasks] == ["shelf.add_by_name"]
        assert not any(node.error for root in [*traced.frames, *traced.tasks] for _, node in root.walk())

    def test_of_a_socket_go_through_what_its_handshake_offered(self) -> None:
        headers = {"Sec-WebSocket-Protocol": "layerline.v1, bearer.canary"}

        traced = trace_socket("/ws/shelf/", texts=['{"type": "offered"}'], headers=headers, actor="ada@example.com")

        assert ways(traced.frames[:1]) == [
            "consumer OrderConsumer.websocket_receive offered",
            "sent websocket.send layerline.v1",
        ]
        assert "canary" not in json.dumps(traced.as_json()) + report.as_text(traced) + report.as_html(traced)

    def test_are_drawn_as_sections_of_their_own(self) -> None:
        traced = talk({"type": "order"})

        headings = [line.partition(":")[0] for line in report.as_text(traced).splitlines() if line[:1].isupper()]
        assert headings == [
            "WS /ws/shelf/",
            "Opening WS /ws/shelf/",
            "Task shelf.add_by_name",
            "Frame OrderConsumer.websocket_receive order",
            "Frame OrderConsumer.shelf_changed",
            "Frame OrderConsumer.websocket_disconnect",
        ]
        assert report.as_html(traced).count("<h2 ") == len(headings) - 1
