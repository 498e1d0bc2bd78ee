import json
from argparse import ArgumentParser
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.module_loading import import_string

from layerline.flow.trace import trace

if TYPE_CHECKING:
    from collections.abc import Callable


class Command(BaseCommand):
    """One request, from the wire to the row and back."""

    help = "Send one request through the real stack and draw its way: every layer, statement and cache look-up."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("method", help="GET, POST, …", type=str.upper)
        parser.add_argument("path", help="such as /api/v1/auth/me/")
        parser.add_argument("--as", dest="actor", default="", metavar="EMAIL", help="sign in as this account")
        parser.add_argument("--data", default="", metavar="JSON", help="the body")
        parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with a timeline")
        parser.add_argument("--json", action="store_true", help="print JSON, for programs")

    def handle(self, *, method: str, path: str, actor: str, data: str, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("A trace signs in without a password and shows the inside; it runs in local use only.")
        if not path.startswith("/"):
            raise CommandError("The path begins with a slash.")
        _refuse_unless_json(data)
        with ExitStack() as stack:
            headers = _sign_in(actor, stack) if actor else {}
            traced = trace(method, path, body=data.encode(), headers=headers, actor=actor)
        html: Path | None = options["html"]
        if html is not None:
            html.write_text(traced.as_html(), encoding="utf-8")
        if options["json"]:
            self.stdout.write(json.dumps(traced.as_json(), indent=2))
        else:
            self.stdout.write(traced.as_text(colour=self.stdout.isatty()))


def _sign_in(actor: str, stack: ExitStack) -> dict[str, str]:
    """Return the headers of whoever the request is sent as, until the stack closes.

    `settings.LAYERLINE_SIGN_IN` names a context manager that takes an e-mail address and gives headers.

    Raises:
        CommandError: If it raises a LookupError, for there is no such account.
    """
    signed_in: Callable[[str], AbstractContextManager[dict[str, str]]] = import_string(
        settings.LAYERLINE_SIGN_IN  # type: ignore[misc]  # a setting of local use only
    )
    try:
        return stack.enter_context(signed_in(actor))
    except LookupError as error:
        raise CommandError(f"There is no account {actor}.") from error


def _refuse_unless_json(data: str) -> None:
    try:
        json.loads(data or "null")
    except ValueError as error:
        raise CommandError(f"--data is not JSON: {error}") from error
