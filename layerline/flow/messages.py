"""What a piece of work would hand to the broker, kept in this process and run here, by the code that a worker runs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Final

from celery import Celery, current_app
from celery.app import app_or_default
from kombu.utils import json

from layerline.flow import stack
from layerline.flow.patches import Patches

# A job may publish the next of its order key, and so on; a task that sends itself again must end somewhere.
MOST_RUN: Final = 50


@dataclass(frozen=True, slots=True)
class Message:
    task_id: str
    name: str
    args: Sequence[Any]
    kwargs: Mapping[str, Any]


@contextmanager
def kept() -> Iterator[list[Message]]:
    """Keep every message from the broker, and give them in their order.

    So no running worker sees them, and nothing runs twice. A job's row stands as published meanwhile: if this process
    dies before it has run the job, the relay sends the message once the row counts as lost.
    """
    app = app_or_default()
    # A web process knows the names of tasks only, and so does not import them by itself.
    app.loader.import_default_modules()
    messages: list[Message] = []
    patches = Patches()
    patches.put(app.amqp, "send_task_message", _keeping(app, messages))
    try:
        yield messages
    finally:
        patches.undo()


def run_all(messages: list[Message]) -> Iterator[Message]:
    """Run the messages, and those that they send in turn; yield each one once it has run."""
    for count, message in enumerate(messages):  # it grows meanwhile
        if count == MOST_RUN:
            return
        # A worker's process knows nothing of the request.
        Context().run(_run, message)
        yield message


def task_names() -> list[str]:
    """Return the names of the project's own tasks."""
    current_app.loader.import_default_modules()
    return sorted(name for name in current_app.tasks if not name.startswith("celery."))


def _run(message: Message) -> None:
    # Errors end where they would in a worker: in the row of a job, or in the log.
    current_app.tasks[message.name].apply(
        args=tuple(message.args), kwargs=dict(message.kwargs), task_id=message.task_id, throw=False
    )


def _keeping(app: Celery, messages: list[Message]) -> Callable[..., None]:
    original = app.amqp.send_task_message

    def send_task_message(producer: Any, name: str, message: Any, **options: Any) -> None:
        if name not in app.tasks:
            original(producer, name, message, **options)
            return
        stack.side_effect(f"the message of task {name}")
        # Through JSON, as it would come to a worker.
        args, kwargs, _ = json.loads(json.dumps(message.body))
        messages.append(Message(message.headers["id"], name, args, kwargs))

    return send_task_message
