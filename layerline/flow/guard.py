"""The layer contract, checked while code runs: what an import graph and a syntax tree cannot see.

A breach is recorded and not raised: an exception would be answered by the very code that is being tested.
"""

import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, override

from layerline.flow import instrument, stack
from layerline.flow.layers import Layer
from layerline.flow.stack import Frame, Observer
from layerline.flow.statements import is_control, is_write, shape, shortened

# A statement that is issued more often than this, from one place in one piece of work, is one for each row.
REPEATS: Final = 5

# The first set whoever wrote them: a framework's serializer that runs SQL was made to by somebody's queryset.
_NO_SQL: Final = {Layer.SERIALIZER, Layer.RENDERER, Layer.PARSER, Layer.PERMISSION, Layer.THROTTLE}
_NO_SQL_IF_OWN: Final = {Layer.VIEW, Layer.CONSUMER, Layer.TASK, Layer.JOB, Layer.AUTHENTICATION}
_READERS: Final = {Layer.SELECTOR, Layer.FILTER, Layer.PAGINATOR}
# Runs one piece of work for each row or each line, if it wants to.
_BATCHES: Final = {Layer.ADMIN, Layer.COMMAND}
_INSTALLED: Final = (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), str(Path(__file__).parent))


@dataclass(frozen=True, slots=True)
class Breach:
    """One rule that was broken once.

    Args:
        rule: Its name, such as `sql-in-view`.
        what: What happened, and what to do about it.
        layers: The stack of layers, the outermost first.
        place: File and line.
        sql: The statement, if there is one, without its values.
    """

    rule: str
    what: str
    layers: tuple[str, ...]
    place: str
    sql: str = ""

    def __str__(self) -> str:
        lines = [f"{self.place}: {self.rule}: {self.what}", *(f"    in {layer}" for layer in self.layers)]
        return "\n".join([*lines, f"    {self.sql}"] if self.sql else lines)


class Guard(Observer):
    """Records every breach of the contract that it sees."""

    def __init__(self) -> None:
        self.breaches: list[Breach] = []

    @override
    def statement(self, sql: str, started: float, error: BaseException | None) -> None:
        frame = stack.current()
        if frame is None or is_control(sql):
            return
        self._check_layer(frame, sql)
        self._check_write(frame, sql)
        self._check_repeats(frame, sql)

    @override
    def transaction(self, step: str) -> None:
        frame = stack.current()
        if frame is not None and step in {"BEGIN", "SAVEPOINT"} and _must_not_run_sql(frame):
            self._record(
                f"transaction-in-{frame.layer}",
                f"a {frame.layer} opens a transaction; a service does that",
                frame,
            )

    @override
    def side_effect(self, what: str, *, in_transaction: bool) -> None:
        if in_transaction:
            self._record(
                "side-effect-in-transaction",
                f"{what} leaves inside an open transaction, which may still be rolled back and holds its locks "
                "meanwhile; record it in the outbox",
                stack.current(),
            )

    def _check_layer(self, frame: Frame, sql: str) -> None:
        if _must_not_run_sql(frame):
            self._record(
                f"sql-in-{frame.layer}",
                f"a {frame.layer} runs SQL; let a service or selector do it, and return rows rather than a queryset",
                frame,
                sql,
            )

    def _check_write(self, frame: Frame, sql: str) -> None:
        reader = _reader(frame)
        if reader is not None and is_write(sql):
            self._record(f"write-in-{reader.layer}", f"a {reader.layer} writes; a service does that", frame, sql)

    def _check_repeats(self, frame: Frame, sql: str) -> None:
        work = _piece_of_work(frame)
        if work is None:
            return
        if work.repeats is None:
            work.repeats = {}
        issued = (shape(sql), *(around.name for around in frame.outwards()))
        count = work.repeats[issued] = work.repeats.get(issued, 0) + 1
        if count == REPEATS + 1:
            self._record(
                "n-plus-one",
                f"the same statement runs more than {REPEATS} times in {work}; ask for all rows at once "
                "(select_related, prefetch_related, a list of keys)",
                frame,
                sql,
            )

    def _record(self, rule: str, what: str, frame: Frame | None, sql: str = "") -> None:
        layers = tuple(str(around) for around in reversed(list(frame.outwards()))) if frame else ()
        self.breaches.append(Breach(rule.replace(" ", "-"), what, layers, _place(), shortened(sql)))


@contextmanager
def watching() -> Iterator[list[Breach]]:
    """Give the list of breaches in the block, and keep them from any guard outside of it."""
    guard = Guard()
    outer = [observer for observer in stack.observers if isinstance(observer, Guard)]
    instrument.install(guard)
    for observer in outer:
        stack.observers.remove(observer)
    try:
        yield guard.breaches
    finally:
        stack.observers.extend(outer)
        instrument.uninstall(guard)


def _must_not_run_sql(frame: Frame) -> bool:
    return frame.layer in _NO_SQL or (frame.own and frame.layer in _NO_SQL_IF_OWN)


def _reader(frame: Frame) -> Frame | None:
    """Return the reading layer that a statement is issued for; a service in between has it issue its own."""
    found: Frame | None = frame
    while found is not None and found.layer is not Layer.SERVICE:
        if found.layer in _READERS:
            return found
        # A callback on commit runs for whoever registered it, wherever the transaction ends.
        found = found.origin if found.layer is Layer.ON_COMMIT else found.outer
    return None


def _piece_of_work(frame: Frame) -> Frame | None:
    """Return the outermost layer that is still open, such as a request's; in the admin or a command the one below."""
    work: Frame | None = None
    for around in frame.outwards():
        if around.layer in _BATCHES:
            break
        if not around.left:
            work = around
    return work


def _place() -> str:
    """Return the file and line of the innermost code that is neither the instrument's nor installed."""
    frame = sys._getframe(1)  # noqa: SLF001  # far cheaper than inspect.stack, which reads every source file
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_INSTALLED):
        frame = frame.f_back
    path = Path(frame.f_code.co_filename)
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return f"{path}:{frame.f_lineno}"
