import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import structlog
from django.db import connection, transaction
from django.db.models.functions import Now
from django.db.transaction import TransactionManagementError
from kombu import pools

from infrastructure.queue import outbox
from infrastructure.queue.models import OutboxRow, OutboxState
from infrastructure.queue.outbox import PAYLOAD_BYTES
from tests.infrastructure.queue.conftest import use_broker
from tests.infrastructure.queue.servers import Broker, free_port


def seconds_to_enqueue(*texts: str) -> float:
    started = time.monotonic()
    with transaction.atomic():
        for text in texts:
            outbox.enqueue("tests.note", {"text": text})
    return time.monotonic() - started


def states() -> list[str]:
    return list(OutboxRow.objects.order_by("id").values_list("state", flat=True))


@pytest.fixture
def black_hole() -> Iterator[str]:
    """The address of a server that accepts connections and never says a word."""
    accepted: list[socket.socket] = []
    server = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                accepted.append(server.accept()[0])
            except OSError:
                return

    thread = threading.Thread(target=accept)
    thread.start()
    yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()
    for connected in accepted:
        connected.close()


@pytest.mark.django_db
class TestRow:
    def test_holds_what_the_job_needs_under_a_key_that_grows_with_time(self) -> None:
        key = outbox.enqueue("tests.note", {"text": "hello", "numbers": [1, 2.5, None, True]})
        row = OutboxRow.objects.get()
        assert (row.id, key.version) == (key, 7)
        assert (row.name, row.payload) == ("tests.note", {"text": "hello", "numbers": [1, 2.5, None, True]})
        assert (row.state, row.attempts, row.order_key, row.last_error) == (OutboxState.PENDING, 0, None, "")
        assert (row.published_at, row.done_at, row.first_failed_at) == (None, None, None)
        assert row.created_at == row.next_attempt_at

    def test_takes_the_request_and_the_user_from_the_context(self) -> None:
        user_id = uuid4()
        with structlog.contextvars.bound_contextvars(request_id="r-1", user_id=str(user_id)):
            outbox.enqueue("tests.note", {"text": "hello"})
        row = OutboxRow.objects.get()
        assert (row.request_id, row.user_id) == ("r-1", user_id)

    @pytest.mark.parametrize(
        ("context", "request_id"),
        [({}, ""), ({"user_id": None}, ""), ({"user_id": "nobody", "request_id": "r" * 200}, "r" * 128)],
    )
    def test_does_without_a_context_that_cannot_be_stored(self, context: dict[str, Any], request_id: str) -> None:
        with structlog.contextvars.bound_contextvars(**context):
            outbox.enqueue("tests.note", {"text": "hello"})
        row = OutboxRow.objects.get()
        assert (row.request_id, row.user_id) == (request_id, None)

    @pytest.mark.parametrize(
        "payload",
        [
            {"id": UUID(int=1)},
            {"text": b"bytes"},
            {"number": float("nan")},
            {"number": float("inf")},
            {1: "a key that comes back as text"},
            {"pair": (1, 2)},
            {"set": {1}},
        ],
    )
    def test_is_not_made_of_a_payload_that_json_would_change(self, payload: Any) -> None:
        with pytest.raises(TypeError, match=r"tests\.note"):
            outbox.enqueue("tests.note", payload)
        assert OutboxRow.objects.count() == 0

    def test_is_not_made_of_a_payload_that_is_no_place_for_contents(self) -> None:
        room = PAYLOAD_BYTES - len('{"text": ""}')
        outbox.enqueue("tests.note", {"text": "x" * room})
        with pytest.raises(ValueError, match=r"'tests\.note' is larger than 16,384 bytes: record ids"):
            outbox.enqueue("tests.note", {"text": "x" * (room + 1)})
        assert OutboxRow.objects.count() == 1

    def test_is_the_last_of_its_order_key_even_if_the_clock_was_set_back(self) -> None:
        first = outbox.enqueue("tests.note", {"text": "first"}, order_key="a")
        OutboxRow.objects.update(created_at=Now() + timedelta(hours=1))
        second, third = (outbox.enqueue("tests.note", {"text": "x"}, order_key="a") for _ in range(2))
        outbox.enqueue("tests.note", {"text": "x"}, order_key="b")

        in_order = OutboxRow.objects.filter(order_key="a").order_by("created_at", "id")
        assert list(in_order.values_list("pk", flat=True)) == [first, second, third]

    def test_is_refused_by_the_database_in_a_state_that_does_not_exist(self) -> None:
        key = outbox.enqueue("tests.note", {"text": "hello"})
        with pytest.raises(Exception, match="outbox_state_known"), transaction.atomic():
            OutboxRow.objects.update(state="lost")
        with pytest.raises(Exception, match="outbox_done_at_when_done"), transaction.atomic():
            OutboxRow.objects.update(state=OutboxState.DONE)
        assert OutboxRow.objects.get(id=key).state == OutboxState.PENDING


@pytest.mark.django_db(transaction=True)
class TestTransaction:
    def test_is_required(self, broker: Broker) -> None:
        with pytest.raises(TransactionManagementError, match=r"transaction\.atomic"):
            outbox.enqueue("tests.note", {"text": "hello"})
        assert OutboxRow.objects.count() == 0
        assert broker.messages() == []

    def test_publishes_nothing_before_it_commits_and_only_the_id_after(self, broker: Broker) -> None:
        with transaction.atomic():
            key = outbox.enqueue("tests.note", {"text": "canary"})
            assert broker.messages() == []
        [message] = broker.messages()
        assert json.loads(message)["headers"]["task"] == "tests.note"
        assert str(key).encode() in message
        assert b"canary" not in message
        row = OutboxRow.objects.get()
        assert row.state == OutboxState.PUBLISHED
        assert row.published_at is not None

    def test_leaves_no_row_and_no_message_when_it_is_rolled_back(self, broker: Broker) -> None:
        with transaction.atomic():
            outbox.enqueue("tests.note", {"text": "hello"})
            transaction.set_rollback(True)
        assert OutboxRow.objects.count() == 0
        assert broker.messages() == []


@pytest.mark.django_db(transaction=True)
class TestBrokerAway:
    def test_a_closed_port_delays_nobody(self, monkeypatch: pytest.MonkeyPatch) -> None:
        taken = []
        for _ in range(3):
            use_broker(f"redis://127.0.0.1:{free_port()}/0", monkeypatch)
            taken.append(seconds_to_enqueue("hello"))
        # Other programs may have had the processor during one of them; a wait of ours would be in each.
        assert min(taken) < 0.3
        assert states() == [OutboxState.PENDING] * 3

    def test_a_server_that_never_answers_costs_less_than_a_second_in_all(
        self, black_hole: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        use_broker(black_hole, monkeypatch)
        assert seconds_to_enqueue("one", "two", "three", "four") < 0.9
        assert states() == [OutboxState.PENDING] * 4

    def test_a_server_that_freezes_on_an_open_connection_costs_less_than_a_second(self, broker: Broker) -> None:
        seconds_to_enqueue("before")
        with broker.frozen():
            assert seconds_to_enqueue("meanwhile") < 0.9
        assert states() == [OutboxState.PUBLISHED, OutboxState.PENDING]

    def test_an_error_that_nobody_expected_fails_nobody(self, broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
        seconds_to_enqueue("before")
        pools.reset()
        assert seconds_to_enqueue("after") < 0.9
        assert states() == [OutboxState.PUBLISHED, OutboxState.PENDING]
        assert "Acquire on closed pool" in caplog.text

    def test_a_full_server_fails_nobody(self, broker: Broker) -> None:
        with closing(broker.client) as client:
            client.config_set("maxmemory", 1)
            try:
                assert seconds_to_enqueue("hello") < 0.9
            finally:
                client.config_set("maxmemory", 0)
        assert states() == [OutboxState.PENDING]


@pytest.mark.django_db(transaction=True)
def test_rows_of_one_key_are_created_in_the_order_in_which_they_are_committed(broker: Broker) -> None:
    finished: list[str] = []

    def second() -> None:
        with transaction.atomic():
            outbox.enqueue("tests.note", {"text": "second"}, order_key="account:1")
        finished.append("second")
        connection.close()

    thread = threading.Thread(target=second)
    with transaction.atomic():
        outbox.enqueue("tests.note", {"text": "first"}, order_key="account:1")
        thread.start()
        thread.join(0.3)
        assert finished == []
    thread.join(5)
    assert finished == ["second"]
    payloads: list[Mapping[str, Any]] = list(OutboxRow.objects.order_by("created_at").values_list("payload", flat=True))
    assert payloads == [{"text": "first"}, {"text": "second"}]
