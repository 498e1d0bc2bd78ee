"""Each rule with what it must find and what it must let pass."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from asgiref.testing import ApplicationCommunicator
from channels.layers import InMemoryChannelLayer, channel_layers
from django.contrib.auth.models import Group
from django.core import mail
from django.db import transaction
from django.utils import timezone
from rest_framework.test import APIClient

from infrastructure.queue.models import OutboxRow, OutboxState
from layerline.flow.guard import REPEATS, Breach, watching
from tests.layerline.flow.slices.shelf import tasks
from tests.layerline.flow.slices.shelf.consumers import ShelfConsumer, SyncShelfConsumer
from tests.layerline.flow.slices.shelf.selectors import ShelfSelector
from tests.layerline.flow.slices.shelf.services import ShelfService

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.layerline.flow.slices.shelf.urls")]

NAMES = [f"shelf {number}" for number in range(REPEATS + 1)]


def rules_broken_by(work: Callable[[], Any]) -> list[str]:
    with watching() as breaches:
        work()
    return [breach.rule for breach in breaches]


def communicator(application: Any, scope: dict[str, Any]) -> Any:
    made: Any = ApplicationCommunicator
    return made(application, scope)


class TestRequest:
    @pytest.mark.parametrize(
        ("path", "rules"),
        [
            ("OpenView", []),
            ("AskingView", []),
            ("PagedView", []),
            ("AddingView", []),
            ("plain", []),
            ("reading_the_session_user", []),
            ("CountingView", ["sql-in-view"]),
            ("LazyView", ["sql-in-view"]),
            ("AtomicView", ["transaction-in-view"]),
            ("counting", ["sql-in-view"]),
            ("lazy_template", ["sql-in-renderer"]),
            ("LazySerializerView", ["sql-in-serializer"]),
            ("CountingSerializerView", ["sql-in-serializer"]),
            ("SavingSerializerView", ["sql-in-serializer"]),
            ("LazyRendererView", ["sql-in-renderer"]),
            ("CountingPermissionView", ["sql-in-permission"]),
            ("CountingThrottleView", ["sql-in-throttle"]),
            ("CountingAuthenticationView", ["sql-in-authentication"]),
            ("WritingFilterView", ["write-in-filter"]),
            ("ManyView", ["n-plus-one"]),
        ],
    )
    def test_breaks_just_the_rules_of_its_path(self, path: str, rules: list[str]) -> None:
        Group.objects.create(name="first")
        client = APIClient()

        def ask() -> None:
            assert client.get(f"/{path}/").status_code == 200

        assert rules_broken_by(ask) == rules

    def test_may_not_run_sql_while_its_body_is_parsed(self) -> None:
        assert rules_broken_by(lambda: APIClient().post("/CountingParserView/", {"a": 1})) == ["sql-in-parser"]

    def test_of_a_signed_in_browser_may_fetch_its_user_wherever_it_is_first_asked_for(
        self, django_user_model: Any
    ) -> None:
        client = APIClient()
        client.force_login(django_user_model.objects.create_user(email="ada@example.com"))

        assert rules_broken_by(lambda: client.get("/reading_the_session_user/")) == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("message", "rules"), [("ask", []), ("add", []), ("stream", []), ("count", ["sql-in-consumer"])]
)
def test_a_message_of_a_socket(message: str, rules: list[str]) -> None:
    async def talk() -> None:
        socket = communicator(ShelfConsumer.as_asgi(), {"type": "websocket", "path": "/"})
        await socket.send_input({"type": "websocket.connect"})
        assert (await socket.receive_output())["type"] == "websocket.accept"
        await socket.send_input({"type": "websocket.receive", "text": json.dumps(message)})
        assert json.loads((await socket.receive_output())["text"]) in ("done", [0, 0])
        await socket.send_input({"type": "websocket.disconnect", "code": 1000})
        await socket.wait()

    assert rules_broken_by(async_to_sync(talk)) == rules


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("message", "rules"), [("ask", []), ("count", ["sql-in-consumer"])])
def test_a_message_of_a_consumer_that_runs_in_a_thread(message: str, rules: list[str]) -> None:
    async def talk() -> None:
        worker = communicator(SyncShelfConsumer.as_asgi(), {"type": "channel"})
        await worker.send_input({"type": message})
        assert await worker.receive_output() == {"type": "done"}
        worker.stop()

    assert rules_broken_by(async_to_sync(talk)) == rules


class TestTask:
    @pytest.mark.parametrize("way", ["__call__", "apply"])
    def test_may_call_a_service_and_nothing_deeper(self, way: str) -> None:
        assert rules_broken_by(getattr(tasks.add, way)) == []
        assert rules_broken_by(getattr(tasks.count, way)) == ["sql-in-task"]

    @pytest.mark.parametrize(
        ("name", "rules"),
        [
            ("shelf.add_as_a_job", []),
            ("shelf.count_as_a_job", ["sql-in-job"]),
            # The row's transaction is the runner's.
            ("shelf.mail", []),
            ("shelf.mail_inside_its_own_transaction", ["side-effect-in-transaction"]),
        ],
    )
    def test_that_is_a_job_stands_apart_from_its_runner(self, name: str, rules: list[str]) -> None:
        row = OutboxRow.objects.create(name=name, payload={}, state=OutboxState.PUBLISHED, published_at=timezone.now())
        task = tasks.add.app.tasks[name]

        assert rules_broken_by(lambda: task(str(row.pk))) == rules
        row.refresh_from_db()
        assert row.state == OutboxState.DONE


class TestSelector:
    def test_may_read(self) -> None:
        assert rules_broken_by(ShelfSelector.names) == []

    def test_may_lock_what_it_reads(self) -> None:
        assert rules_broken_by(ShelfSelector.locked) == []

    def test_may_not_write(self) -> None:
        assert rules_broken_by(lambda: ShelfSelector.get_or_make(name="new")) == ["write-in-selector"]

    def test_may_not_write_later_either(self) -> None:
        def commit() -> None:
            with transaction.atomic():
                ShelfSelector.write_on_commit(name="later")

        with watching() as breaches:
            _committing(commit)
        assert [breach.rule for breach in breaches] == ["write-in-selector"]

    def test_that_is_a_generator_reads_in_its_own_name_and_lets_its_caller_go_on_in_its_own(self) -> None:
        @transaction.atomic
        def work() -> None:
            for name in ShelfSelector.stream():
                ShelfService.add(name=name)

        assert rules_broken_by(work) == []
        assert set(ShelfSelector.names()) == {"0 of 0", "1 of 1"}


def _committing(work: Callable[[], None]) -> None:
    from_connection = transaction.get_connection()
    before = len(from_connection.run_on_commit)
    work()
    for _, callback, _ in from_connection.run_on_commit[before:]:
        callback()
    del from_connection.run_on_commit[before:]


class TestSideEffect:
    def test_may_not_be_a_mail_inside_a_transaction(self) -> None:
        assert rules_broken_by(ShelfService.mail_inside) == ["side-effect-in-transaction"]

    def test_may_be_a_mail_outside_of_one(self) -> None:
        assert rules_broken_by(ShelfService.write_home) == []
        assert len(mail.outbox) == 1

    @pytest.mark.django_db(transaction=True)
    def test_may_be_a_mail_after_the_commit(self) -> None:
        assert rules_broken_by(ShelfService.mail_after) == []
        assert len(mail.outbox) == 1

    def test_may_not_be_a_message_to_the_broker_inside_a_transaction(self) -> None:
        assert rules_broken_by(ShelfService.publish_inside) == ["side-effect-in-transaction"]

    @pytest.mark.django_db(transaction=True)
    def test_may_be_a_message_to_the_broker_after_the_commit(self) -> None:
        assert rules_broken_by(ShelfService.publish_after) == []

    @pytest.mark.parametrize("layer", [InMemoryChannelLayer(), channel_layers["default"]], ids=["memory", "redis"])
    def test_may_not_be_a_message_to_sockets_inside_a_transaction(self, layer: Any) -> None:
        assert rules_broken_by(lambda: ShelfService.tell_sockets_inside(layer=layer)) == ["side-effect-in-transaction"]

    @pytest.mark.django_db(transaction=True)
    def test_may_be_a_message_to_sockets_after_the_commit(self) -> None:
        assert rules_broken_by(ShelfService.tell_sockets_after) == []

    def test_may_not_be_an_http_request_inside_a_transaction(self) -> None:
        address = "http://127.0.0.1:9/"
        assert rules_broken_by(lambda: ShelfService.call_inside(address=address)) == ["side-effect-in-transaction"]
        assert rules_broken_by(lambda: ShelfService.call(address=address)) == []


class TestRepetition:
    @pytest.mark.parametrize("method", ["add_each", "find_each"])
    def test_of_a_statement_for_each_row_is_found_once(self, method: str) -> None:
        assert rules_broken_by(lambda: getattr(ShelfService, method)(names=[*NAMES, "one more"])) == ["n-plus-one"]

    @pytest.mark.parametrize("method", ["add_each", "find_each"])
    def test_for_a_few_rows_is_none(self, method: str) -> None:
        assert rules_broken_by(lambda: getattr(ShelfService, method)(names=NAMES[:REPEATS])) == []

    @pytest.mark.parametrize("method", ["add_all", "find_all"])
    def test_is_not_what_asks_for_all_rows_at_once(self, method: str) -> None:
        assert rules_broken_by(lambda: getattr(ShelfService, method)(names=NAMES)) == []

    def test_in_several_pieces_of_work_is_none(self) -> None:
        assert rules_broken_by(lambda: [ShelfService.add(name=name) for name in NAMES]) == []


def test_a_breach_tells_the_place_the_layers_and_the_statement_without_its_values() -> None:
    with watching() as breaches:
        ShelfSelector.get_or_make(name="secret")
    [breach] = breaches
    assert breach == Breach(
        rule="write-in-selector",
        what="a selector writes; a service does that",
        layers=("selector ShelfSelector.get_or_make",),
        place=breach.place,
        sql="INSERT INTO auth_group (name) VALUES (…) RETURNING auth_group.id",
    )
    assert breach.place.startswith("tests/layerline/flow/slices/shelf/selectors.py:")
    assert "secret" not in str(breach)
