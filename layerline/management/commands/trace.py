import difflib
import inspect
import json
import re
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

from celery import current_app
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from layerline.flow import messages, report
from layerline.flow.entrances import work_of
from layerline.flow.sign_in import signed_in
from layerline.flow.trace import SOCKET, TASK, PayloadError, Trace, trace, trace_socket, trace_task

_VERBS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# One slash: two begin the name of a host.
_PATH: Final = re.compile(r"/(?!/)[^\s#]*")
_EXAMPLES: Final = """
  trace GET /api/v1/auth/me/ --as ada@example.com
  trace POST /api/v1/auth/login/ --data '{"email": "ada@example.com", "password": "..."}'
  trace WS /ws/chat/lobby/ --as ada@example.com --data '{"type": "message", "message": "Hello"}'
  trace TASK users.clean_expired_tokens

What the request queues is kept from the broker and run in this process after the answer, by the code that a worker
runs, so no running worker runs it a second time. With --no-tasks it goes to the broker as always, and to the worker
that listens there.
"""


class Command(BaseCommand):
    """One request, task or socket, from the wire to the row and back."""

    help = (
        "Send one request through the real stack and draw its way: every layer, statement and cache look-up, "
        "the tasks that it queued and the frames that it sent to sockets."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.epilog = f"examples:\n{_EXAMPLES}"
        parser.formatter_class = RawDescriptionHelpFormatter
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("method", type=str.upper, help=f"{', '.join(_VERBS)}; {SOCKET} for a socket; {TASK}")
        parser.add_argument("path", help="such as /api/v1/auth/me/; for a task its name")
        parser.add_argument("--as", dest="actor", default="", metavar="EMAIL", help="sign in as this account")
        parser.add_argument(
            "--data",
            action="append",
            default=[],
            metavar="JSON",
            help="the body; for a task its arguments, as an object; for a socket a frame, and once more the next one",
        )
        parser.add_argument("--no-tasks", action="store_true", help="leave what is queued to the running worker")
        parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with a timeline")
        parser.add_argument("--json", action="store_true", help="print JSON, for programs")

    def handle(self, *, method: str, path: str, actor: str, data: list[str], **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("A trace signs in without a password and shows the inside; it runs in local use only.")
        send = _sender(method, path, data, actor, run_tasks=not options["no_tasks"])
        html: Path | None = options["html"]
        with _writable(html) if html is not None else nullcontext():
            with ExitStack() as stack:
                traced = send(_sign_in(actor, stack) if actor else {})
            if html is not None:
                html.write_text(report.as_html(traced), encoding="utf-8")
        if options["json"]:
            self.stdout.write(json.dumps(traced.as_json(), indent=2))
        else:
            self.stdout.write(report.as_text(traced, colour=self.stdout.isatty()))


def _sender(
    method: str, path: str, data: list[str], actor: str, *, run_tasks: bool
) -> Callable[[dict[str, str]], Trace]:
    """Return what sends the request, once whoever sends it is signed in.

    Raises:
        CommandError: If it cannot be sent like this.
    """
    values = [_parsed(text) for text in data]
    if method == TASK:
        if actor:
            raise CommandError("A task runs as nobody: leave --as out.")
        payload = _payload(path, values)
        return lambda _: _run_task(path, payload)
    if method not in {*_VERBS, SOCKET}:
        raise CommandError(f"{method} is none of {', '.join([*_VERBS, SOCKET, TASK])}.")
    if not (_PATH.fullmatch(path) and path.isprintable()):
        raise CommandError("The path begins with one slash and holds no white space and no #: /api/v1/auth/me/")
    if method == SOCKET:
        return lambda headers: trace_socket(path, texts=data, headers=headers, actor=actor, run_tasks=run_tasks)
    body = _only(data, "")
    return lambda headers: trace(method, path, body=body.encode(), headers=headers, actor=actor, run_tasks=run_tasks)


def _payload(name: str, values: list[Any]) -> dict[str, Any]:
    """Return the arguments of a task.

    Raises:
        CommandError: If there is no such task, or it does not take them.
    """
    names = messages.task_names()
    if name not in names:
        near = difflib.get_close_matches(name, names) or names
        raise CommandError(f"There is no task {name}. There is {', '.join(near)}.")
    payload = _only(values, {})
    if not isinstance(payload, dict):
        raise CommandError("--data of a task is a JSON object: its keyword arguments.")
    task = current_app.tasks[name]
    work = work_of(task)
    try:
        # A job's first argument is the id of its row.
        inspect.signature(work or task.run).bind(*([None] if work else []), **payload)
    except TypeError as error:
        raise CommandError(f"{name} does not take this: {error}.") from error
    return payload


def _run_task(name: str, payload: dict[str, Any]) -> Trace:
    try:
        return trace_task(name, payload)
    except PayloadError as error:
        raise CommandError(f"--data cannot be stored: {error}") from error


def _only[T](values: list[T], default: T) -> T:
    if len(values) > 1:
        raise CommandError(f"Only {SOCKET} takes --data more than once.")
    return values[0] if values else default


def _parsed(text: str) -> Any:
    try:
        text.encode()
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise CommandError(f"--data is not JSON: {error}") from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"it holds {name}")


def _sign_in(actor: str, stack: ExitStack) -> dict[str, str]:
    """Return the headers of whoever the request is sent as, until the stack closes.

    Raises:
        CommandError: If there is no such account.
    """
    if not actor.isprintable():
        raise CommandError("--as is no e-mail address.")
    try:
        return stack.enter_context(signed_in(actor))
    except LookupError as error:
        raise CommandError(f"There is no account {actor} that can sign in.") from error


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    """Make sure that a file can be written before anything is sent, and leave no empty one if nothing is.

    Raises:
        CommandError: If it cannot.
    """
    was_there = path.exists()
    try:
        path.open("a", encoding="utf-8").close()
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.") from error
    try:
        yield
    except BaseException:
        if not was_there:
            path.unlink(missing_ok=True)
        raise
