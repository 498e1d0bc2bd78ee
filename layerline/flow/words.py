"""What happened, in words that may be shown: never a value that was passed anywhere."""

import re
import traceback
from pathlib import Path
from typing import Any, Final, override

from channels.exceptions import StopConsumer
from django.http import HttpRequest
from redis.exceptions import NoScriptError

from layerline.flow.stack import Observer
from layerline.flow.statements import is_control, shortened

SQL: Final = "sql"
REDIS: Final = "redis"
TRANSACTION: Final = "transaction"
QUEUED: Final = "queued"
SIDE_EFFECT: Final = "leaves"
SENT: Final = "sent"
ERROR: Final = "error"
# What is said of a script that the server is given anew.
FORGOTTEN: Final = "script unknown"

_VERBS: Final[set[str | None]] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}
_SHOWN_KEY: Final = 80
_READS: Final = {"GET", "MGET", "HGET", "HMGET", "GETEX"}
_SCRIPTS: Final = {"EVAL", "EVALSHA"}
_DIGEST: Final = re.compile(r"[0-9a-f]{16,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Narrator(Observer):
    """Puts each moment between two layers into words."""

    def tell(self, kind: str, name: str, started: float | None = None, *, detail: str = "", error: str = "") -> None:
        """Hear of one thing that happened.

        Args:
            kind: One of those above.
            name: What it is called.
            started: When it began, by `perf_counter`; None for what is a moment.
            detail: A word about it, such as `hit` or `miss`.
            error: The class of the exception it ended with.
        """

    @override
    def statement(self, sql: str, started: float, error: BaseException | None) -> None:
        if not is_control(sql):
            self.tell(SQL, shortened(sql), started, error=type(error).__name__ if error else "")

    @override
    def command(self, name: str, keys: str, result: Any, started: float, error: BaseException | None) -> None:
        shown = f"{name} {_key(keys)}".strip()
        if isinstance(error, NoScriptError):
            # The usual way to find out whether the server knows a script.
            self.tell(REDIS, shown, started, detail=FORGOTTEN)
            return
        found = None if error else _found(name, result)
        detail = "" if found is None else _outcome(found)
        self.tell(REDIS, shown, started, detail=detail, error=type(error).__name__ if error else "")

    @override
    def transaction(self, step: str) -> None:
        self.tell(TRANSACTION, step)

    @override
    def queued(self, name: str) -> None:
        self.tell(QUEUED, name, detail="for the commit")

    @override
    def side_effect(self, what: str, *, in_transaction: bool) -> None:
        self.tell(SIDE_EFFECT, what, detail="inside the transaction" if in_transaction else "")

    @override
    def sent(self, name: str, detail: str) -> None:
        self.tell(SENT, name, detail=detail)

    @override
    def handled(self, error: BaseException) -> None:
        self.tell(ERROR, title(error), detail=place(error))


def verb(request: HttpRequest) -> str:
    """Return the verb of a request if it is one: a stranger may have made up any."""
    return str(request.method) if request.method in _VERBS else "_OTHER"


def is_failure(error: BaseException | None) -> bool:
    """Tell whether something went wrong: a consumer ends by an exception, and so does a generator that is closed."""
    return error is not None and not isinstance(error, StopConsumer | GeneratorExit)


def title(error: BaseException) -> str:
    """Return the class and the code: the text of an exception may hold what must not be shown."""
    code = getattr(error, "code", None) or getattr(error, "default_code", None)
    return f"{type(error).__name__} ({code})" if isinstance(code, str) else type(error).__name__


def place(error: BaseException) -> str:
    """Return file and line of the innermost code of the project that the exception came through."""
    found = ""
    root, here = Path.cwd(), Path(__file__).parent
    for frame, line in traceback.walk_tb(error.__traceback__):
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(root) and "site-packages" not in path.parts and here not in path.parents:
            found = f"{path.relative_to(root)}:{line}"
    return found


def _found(name: str, result: Any) -> list[Any] | None:
    """Return what was looked up, None for what is not there; or None altogether if nothing was."""
    if name in _READS:
        return result if isinstance(result, list) else [result]
    if name in _SCRIPTS and isinstance(result, bytes | None):
        return [result]
    # A script that looks up answers with the state it did so in, and then with what it found there; what another one
    # means by numbers only that one knows.
    if name in _SCRIPTS and isinstance(result, list) and result and isinstance(result[0], bytes):
        return [value for value in result[1:] if isinstance(value, bytes | None)]
    return None


def _outcome(values: list[Any]) -> str:
    """Tell a hit from a miss."""
    found = sum(value is not None for value in values)
    if found in {0, len(values)}:
        return "hit" if found else "miss"
    return f"{found} hits of {len(values)}"


def _key(text: str) -> str:
    """Return a key for the eye: long random parts tell nothing, and may be somebody's token."""
    short = _DIGEST.sub(_first_letters, text)
    return short if len(short) <= _SHOWN_KEY else f"{short[: _SHOWN_KEY - 1]}…"


def _first_letters(match: re.Match[str]) -> str:
    return f"{match[0][:8]}…"
