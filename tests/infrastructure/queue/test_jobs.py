import json
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest
import structlog
from celery import current_app
from django.contrib.auth.models import Group, Permission
from django.db import connection, transaction
from django.utils import timezone
from freezegun import freeze_time

from infrastructure import faults
from infrastructure.queue import jobs
from infrastructure.queue.models import OutboxRow, OutboxState
from infrastructure.queue.tasks import relay_outbox
from tests.infrastructure.queue import example_jobs
from tests.infrastructure.queue.servers import Broker


def published(name: str, payload: dict[str, Any] | None = None, **fields: Any) -> OutboxRow:
    return OutboxRow.objects.create(
        name=name, payload=payload or {}, state=OutboxState.PUBLISHED, published_at=timezone.now(), **fields
    )


def run(row: OutboxRow) -> OutboxRow:
    """Do what a worker does with the row's message."""
    current_app.tasks[row.name](str(row.id))
    row.refresh_from_db()
    return row


@pytest.mark.django_db
class TestSuccess:
    def test_runs_the_work_with_the_key_and_the_payload_and_marks_the_row_done(self) -> None:
        row = run(published("tests.note", {"text": "hello"}))
        assert example_jobs.runs() == [f"{row.id} hello"]
        assert (row.state, row.attempts, row.last_error) == (OutboxState.DONE, 1, "")
        assert row.done_at is not None

    def test_binds_the_request_and_the_user_to_the_log_and_lets_go_of_them(self) -> None:
        user_id = uuid4()
        row = published("tests.note_context", request_id="r-1", user_id=user_id)
        with structlog.contextvars.bound_contextvars(request_id="other"):
            run(row)
            assert structlog.contextvars.get_contextvars() == {"request_id": "other"}
        assert json.loads(example_jobs.runs()[0]) == {
            "request_id": "r-1",
            "user_id": str(user_id),
            "job": "tests.note_context",
            "job_id": str(row.id),
        }

    def test_clears_the_error_of_an_earlier_attempt(self) -> None:
        row = run(published("tests.note", {"text": "x"}, attempts=3, last_error="E: x", first_failed_at=timezone.now()))
        assert (row.state, row.attempts, row.last_error) == (OutboxState.DONE, 4, "")


@pytest.mark.django_db
class TestMessageThatCameTooLate:
    def test_is_ignored_when_the_row_is_gone(self) -> None:
        example_jobs.note(str(uuid4()))
        assert example_jobs.runs() == []

    @pytest.mark.parametrize(("state", "done_at"), [(OutboxState.DONE, timezone.now()), (OutboxState.DEAD, None)])
    def test_is_ignored_when_the_row_is_finished(self, state: OutboxState, done_at: Any) -> None:
        row = OutboxRow.objects.create(name="tests.note", payload={"text": "x"}, state=state, done_at=done_at)
        assert (run(row).state, row.attempts) == (state, 0)
        assert example_jobs.runs() == []

    def test_does_not_cut_short_the_pause_after_a_failure(self) -> None:
        later = timezone.now() + timedelta(seconds=30)
        row = OutboxRow.objects.create(name="tests.note", payload={"text": "x"}, next_attempt_at=later)
        assert (run(row).state, row.attempts) == (OutboxState.PENDING, 0)
        assert example_jobs.runs() == []

    def test_is_obeyed_when_the_sender_believed_that_it_was_not_taken(self) -> None:
        row = OutboxRow.objects.create(name="tests.note", payload={"text": "x"})
        assert run(row).state == OutboxState.DONE


@pytest.mark.django_db
class TestFailure:
    def test_undoes_the_work_and_sets_the_next_attempt(self) -> None:
        row = published("tests.write_then_fail")
        before = timezone.now()
        run(row)
        assert Group.objects.count() == 0
        assert (row.state, row.attempts, row.done_at) == (OutboxState.PENDING, 1, None)
        assert row.last_error == "RefusedError: 550 <address> is unknown"
        assert row.first_failed_at is not None
        assert timedelta(seconds=54) <= row.next_attempt_at - before <= timedelta(seconds=67)

    def test_waits_twice_as_long_each_time_up_to_an_hour_and_never_the_same(self) -> None:
        waits = []
        for attempts in range(1, 41):
            row = OutboxRow(name="x", payload={}, attempts=attempts)
            now = timezone.now()
            row.mark_failed(ValueError(), now)
            waits.append((row.next_attempt_at - now).total_seconds())
        expected = [60, 120, 240, 480, 960, 1_920] + [3_600] * 34
        assert waits == pytest.approx(expected, rel=0.1)
        assert len(set(waits[6:])) == 34

    @pytest.mark.parametrize(
        ("since", "state"), [(timedelta(hours=23, minutes=59), "pending"), (timedelta(hours=24, seconds=1), "dead")]
    )
    def test_gives_up_24_hours_after_the_first(self, since: timedelta, state: str) -> None:
        row = run(published("tests.write_then_fail", attempts=9, first_failed_at=timezone.now() - since))
        assert (row.state, row.attempts) == (state, 10)

    def test_is_recorded_when_only_the_commit_would_have_failed(self) -> None:
        row = run(published("tests.break_a_deferred_constraint"))
        assert (row.state, row.attempts) == (OutboxState.PENDING, 1)
        assert row.last_error.startswith("IntegrityError: insert or update on table")
        assert not Permission.objects.filter(codename="nobodys").exists()

    def test_is_recorded_when_the_payload_does_not_fit_the_work(self) -> None:
        row = run(published("tests.note", {"words": "x"}))
        assert (row.state, row.attempts) == (OutboxState.PENDING, 1)
        assert row.last_error.startswith("TypeError: note() got an unexpected keyword argument")

    def test_is_logged_with_its_place_and_without_its_text(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO, logger="layerline.queue"):
            run(published("tests.write_then_fail"))
        [record] = caplog.records
        assert record.levelname == "WARNING"
        assert "job_failed" in record.getMessage()
        assert "example_jobs.py" in record.getMessage()
        assert "someone@example.com" not in caplog.text
        assert "+4912345" not in caplog.text

    def test_is_logged_in_the_readable_form_of_local_use_too(self, capsys: pytest.CaptureFixture[str]) -> None:
        run(published("tests.write_then_fail"))
        # What `logging` says, with the whole exception, of a line that it could not write.
        assert "Logging error" not in capsys.readouterr().err

    def test_is_told_to_whoever_reports_when_it_is_the_first_and_when_it_is_the_last(self) -> None:
        told: list[str] = []

        def listen(error: Exception, **_: Any) -> None:
            told.append(type(error).__name__)

        faults.met.connect(listen)
        try:
            counts = []
            for attempts, since in ((0, 0), (1, 1), (30, 23), (31, 25)):
                first_failed_at = timezone.now() - timedelta(hours=since)
                run(published("tests.write_then_fail", attempts=attempts, first_failed_at=first_failed_at))
                counts.append(len(told))
        finally:
            faults.met.disconnect(listen)

        assert counts == [1, 1, 1, 2]
        assert set(told) == {"RefusedError"}

    def test_for_good_is_logged_as_an_error(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO, logger="layerline.queue"):
            run(published("tests.write_then_fail", first_failed_at=timezone.now() - timedelta(days=2)))
        assert [record.levelname for record in caplog.records] == ["ERROR"]


@pytest.mark.django_db
@pytest.mark.parametrize("wrong_by", [timedelta(days=365), timedelta(days=-365)])
def test_a_clock_that_is_wrong_makes_no_failed_job_wait_for_years_or_end_at_once(wrong_by: timedelta) -> None:
    before = timezone.now()
    row = published("tests.write_then_fail")

    with freeze_time(before + wrong_by):
        run(row)

    assert (row.state, row.attempts) == (OutboxState.PENDING, 1)
    assert timedelta(seconds=54) <= row.next_attempt_at - before <= timedelta(seconds=70)
    OutboxRow.objects.update(state=OutboxState.PUBLISHED)
    with freeze_time(before - wrong_by):
        run(row)
    assert (row.state, row.attempts) == (OutboxState.PENDING, 2)


@pytest.mark.django_db
class TestUnknownName:
    """What becomes of a row of which no job has the name: after a release that was taken back, or before its time."""

    def lost(self, name: str = "tests.of_another_release", **fields: Any) -> OutboxRow:
        row = published(name, **fields)
        OutboxRow.objects.filter(pk=row.pk).update(published_at=timezone.now() - timedelta(seconds=181))
        return row

    def test_is_a_failure_once_the_row_counts_as_lost(self) -> None:
        row, before = self.lost(), timezone.now()

        assert [jobs.fail_unknown() for _ in range(2)] == [1, 0]

        row.refresh_from_db()
        assert (row.state, row.attempts) == (OutboxState.PENDING, 1)
        assert row.last_error == "UnknownJobError: No job is called tests.of_another_release."
        assert timedelta(seconds=54) <= row.next_attempt_at - before <= timedelta(seconds=67)

    def test_is_dead_after_24_hours_and_holds_up_its_order_key_no_longer(self, broker: Broker) -> None:
        row = self.lost(attempts=30, first_failed_at=timezone.now() - timedelta(hours=24), order_key="a")
        following = OutboxRow.objects.create(name="tests.note", payload={"text": "x"}, order_key="a")

        relay_outbox()

        states = dict(OutboxRow.objects.values_list("pk", "state"))
        assert states == {row.pk: OutboxState.DEAD, following.pk: OutboxState.PUBLISHED}

    def test_is_none_where_the_job_is_back(self, broker: Broker) -> None:
        row = self.lost("tests.note", payload={"text": "x"})

        relay_outbox()

        assert (run(row).state, row.attempts) == (OutboxState.DONE, 1)

    def test_is_looked_for_among_lost_rows_alone(self) -> None:
        published("tests.of_another_release")
        OutboxRow.objects.create(name="tests.of_another_release", payload={})

        assert jobs.fail_unknown() == 0


@pytest.mark.django_db(transaction=True)
def test_a_message_for_a_row_that_another_worker_has_in_hand_has_nothing_to_do_and_does_not_wait() -> None:
    row = published("tests.note", {"text": "x"})
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        assert jobs._lock(row.pk) is not None
        assert not pool.submit(_start_alone, row.pk).result(timeout=10)

    assert run(row).attempts == 1


def _start_alone(row_id: UUID) -> bool:
    try:
        return jobs._start(row_id)
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
class TestTimeLimitsOfTheDatabase:
    @pytest.fixture(autouse=True)
    def _limits(self) -> Iterator[None]:
        """What an operator may have set for all connections."""
        with connection.cursor() as cursor:
            cursor.execute("SET idle_in_transaction_session_timeout = '200ms'; SET statement_timeout = '300ms'")
            yield
            cursor.execute("RESET idle_in_transaction_session_timeout; RESET statement_timeout")

    def test_a_job_may_be_silent_for_longer_than_others(self) -> None:
        row = published("tests.note")

        jobs._start(row.pk)
        jobs._finish(row.pk, lambda key: time.sleep(0.5))

        row.refresh_from_db()
        assert row.state == OutboxState.DONE
        with connection.cursor() as cursor:
            cursor.execute("SHOW idle_in_transaction_session_timeout")
            assert cursor.fetchone() == ("200ms",)

    def test_a_statement_that_takes_too_long_is_a_failure_like_any_other(self) -> None:
        def work(key: UUID) -> None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(5)")

        row = published("tests.note")
        jobs._start(row.pk)
        jobs._finish(row.pk, work)

        row.refresh_from_db()
        assert (row.state, row.attempts) == (OutboxState.PENDING, 1)
        assert row.last_error == "OperationalError: canceling statement due to statement timeout"


@pytest.mark.django_db
class TestProcessThatDied:
    def test_is_no_reason_to_wait(self) -> None:
        row = run(published("tests.note", {"text": "x"}, attempts=2, started_at=timezone.now()))
        assert (row.state, row.attempts, row.started_at) == (OutboxState.DONE, 3, None)
        assert example_jobs.runs() == [f"{row.id} x"]

    def test_is_one_when_it_was_not_the_first(self) -> None:
        row = published("tests.note", {"text": "x"}, attempts=3, started_at=timezone.now())
        before = timezone.now()
        run(row)
        assert (row.state, row.attempts, row.started_at) == (OutboxState.PENDING, 3, None)
        assert row.last_error == "WorkerDiedError: 3 attempts, the last without an outcome"
        assert row.next_attempt_at - before >= timedelta(seconds=4 * 54)
        assert example_jobs.runs() == []

    def test_does_not_end_the_attempts(self) -> None:
        row = published("tests.note", {"text": "x"}, attempts=3, started_at=timezone.now())
        run(row)
        OutboxRow.objects.filter(id=row.id).update(next_attempt_at=timezone.now())
        assert (run(row).state, row.attempts) == (OutboxState.DONE, 4)


@pytest.mark.django_db
def test_two_attempts_that_began_before_either_ended_run_the_work_once() -> None:
    row = published("tests.note", {"text": "x"})
    ran: list[UUID] = []
    assert jobs._start(row.id)
    assert jobs._start(row.id)
    for _ in range(2):
        jobs._finish(row.id, lambda key, **_payload: ran.append(key))
    assert ran == [row.id]


@pytest.mark.django_db(transaction=True)
def test_two_workers_with_the_same_message_run_it_once() -> None:
    row = published("tests.write")
    barrier = Barrier(2)

    def work() -> None:
        barrier.wait()
        try:
            example_jobs.write(str(row.id))
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        for running in [pool.submit(work) for _ in range(2)]:
            running.result()
    row.refresh_from_db()
    assert row.state == OutboxState.DONE
    assert example_jobs.runs() == [str(row.id)]
    assert list(Group.objects.values_list("name", flat=True)) == [str(row.id)]


class TestNames:
    def test_are_those_of_celery_tasks(self) -> None:
        current_app.loader.import_default_modules()
        assert "tests.note" in jobs.names()
        assert jobs.names() <= set(current_app.tasks)

    def test_are_given_once(self) -> None:
        with pytest.raises(ValueError, match=r"tests\.note"):
            jobs.job(name="tests.note")

    def test_take_no_other_id_than_a_rows(self) -> None:
        with pytest.raises(ValueError, match="UUID"):
            example_jobs.note("1")
        assert UUID(int=0).version is None
