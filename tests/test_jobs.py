"""Every name that is enqueued or scheduled is a job's, and every job is asked for by somebody."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from celery import current_app
from django.conf import settings

from infrastructure.queue import jobs

ROOT: Final = Path(__file__).resolve().parents[1]
_SEEDED: Final = re.compile(r"task=\"([\w.]+)\"")


def _sources() -> Iterator[Path]:
    for folder in ("apps", "infrastructure"):
        yield from (path for path in (ROOT / folder).rglob("*.py") if "tests" not in path.parts)


def _calls(function: str) -> list[ast.Call]:
    calls = [
        node
        for path in _sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and function in {getattr(node.func, "attr", ""), getattr(node.func, "id", "")}
    ]
    assert calls
    return calls


def _texts(values: list[ast.expr]) -> set[str]:
    # A name that is put together could not be found, here or by a reader.
    assert all(isinstance(value, ast.Constant) for value in values)
    return {str(value.value) for value in values if isinstance(value, ast.Constant)}


def _enqueued() -> set[str]:
    return _texts([call.args[0] for call in _calls("enqueue")])


def _scheduled() -> set[str]:
    migrations = [path for path in _sources() if path.parent.name == "migrations"]
    return {name for path in migrations for name in _SEEDED.findall(path.read_text(encoding="utf-8"))}


def _declared() -> set[str]:
    """Return the project's own jobs: the registry also has those of tests that ran before in this process."""
    declared = _texts([keyword.value for call in _calls("job") for keyword in call.keywords if keyword.arg == "name"])
    current_app.loader.import_default_modules()
    assert declared <= jobs.names()
    return declared


def test_every_enqueued_name_is_a_job() -> None:
    assert _enqueued() - _declared() == set()


def test_every_scheduled_name_is_a_task() -> None:
    _declared()

    assert _scheduled() - set(current_app.tasks) == set()


def test_every_job_is_enqueued_or_scheduled_somewhere() -> None:
    assert _declared() - _enqueued() - _scheduled() == set()


def test_every_job_has_a_queue_that_a_worker_takes_from() -> None:
    queues = {name: current_app.amqp.router.route({}, name)["queue"].name for name in sorted(_declared())}

    assert set(queues.values()) <= set(settings.CELERY_TASK_QUEUES)
    assert {name for name, queue in queues.items() if queue == "mail"} == {name for name in queues if ".send_" in name}
    assert queues["queue.clean_outbox"] == "maintenance"
