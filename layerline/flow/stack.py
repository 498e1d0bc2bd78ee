"""The stack of layers that the running code stands in, and those who watch it.

It lives in a context variable, and so goes with the code through `database_sync_to_async`, `create_task` and
`to_thread`. A thread that copies no context begins with an empty one.
"""

import functools
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from layerline.flow.layers import GATES, Layer


class Frame:
    """One layer that was entered and, while it is on the stack, not left.

    Args:
        layer: Which.
        name: What people call it, such as `UserService.register`.
        module: Where its code stands, such as `apps.users.services`.
        own: Whether a slice's own code was entered, not a framework's.
        detail: A word about it, such as the type of a message.
        subject: The object whose method was called, so that its `super()` is not a second entrance.
        origin: For a callback on commit: where it was registered.
    """

    __slots__ = (
        "detail",
        "error",
        "layer",
        "left",
        "module",
        "name",
        "origin",
        "outer",
        "own",
        "refused",
        "repeats",
        "subject",
    )

    def __init__(  # noqa: PLR0913  # each one is told of one layer only
        self,
        layer: Layer,
        name: str,
        *,
        module: str,
        own: bool,
        detail: str = "",
        subject: object = None,
        origin: "Frame | None" = None,
    ) -> None:
        self.layer = layer
        self.name = name
        self.module = module
        self.own = own
        self.detail = detail
        self.subject = subject
        self.origin = origin
        self.outer = _current.get()
        self.left = False
        self.error: BaseException | None = None
        # A permission and a throttle refuse with False; it is somebody else who raises then.
        self.refused = False
        # How often each statement was issued from where, while this is the outermost layer of one piece of work.
        self.repeats: dict[Any, int] | None = None

    def __str__(self) -> str:
        return f"{self.layer} {self.name}"

    def outwards(self) -> "Iterator[Frame]":
        """Yield this layer and those around it, the outermost last."""
        frame: Frame | None = self
        while frame is not None:
            yield frame
            frame = frame.outer


class Observer:
    """Whoever watches; each method is called at its moment, in the thread and the context where it happens."""

    def entered(self, frame: Frame) -> None: ...

    def left(self, frame: Frame) -> None: ...

    def statement(self, sql: str, started: float, error: BaseException | None) -> None:
        """See an SQL statement that was just executed, without its parameters."""

    def command(self, name: str, keys: str, result: Any, started: float, error: BaseException | None) -> None:
        """See a Redis command that was just answered, or was not."""

    def transaction(self, step: str) -> None:
        """See BEGIN, COMMIT or ROLLBACK, or SAVEPOINT, RELEASE or ROLLBACK TO."""

    def queued(self, name: str) -> None:
        """See a callback being registered for the commit."""

    def side_effect(self, what: str, *, in_transaction: bool) -> None:
        """See something leave the process that no rollback takes back: a mail, a message, an HTTP request."""

    def handled(self, error: BaseException) -> None:
        """See an exception that a view has raised and that is about to become an answer."""

    def sent(self, name: str, detail: str) -> None:
        """See a frame leave for the client of a socket, without what it holds."""

    def carried(self) -> Mapping[str, str]:
        """Return headers for an HTTP request or a message that is about to leave."""
        return {}

    def asked(self, request: HttpRequest) -> None:
        """See a request come in, before any middleware does."""

    def answered(self, request: HttpRequest, response: HttpResponseBase | None) -> None:
        """See what it was answered with; None where the project had no answer."""


observers: Final[list[Observer]] = []

_current: Final[ContextVar[Frame | None]] = ContextVar("layerline_frame", default=None)
# Transactions that the running piece of work has opened and not closed. Those around a test are none of its own, nor
# is the one in which a runner of jobs keeps a job's outcome.
_open_transactions: Final[ContextVar[int]] = ContextVar("layerline_transactions", default=0)

# Makes the frame of a call, or None where the call is no entrance.
type Label = Callable[[tuple[Any, ...]], Frame | None]


def current() -> Frame | None:
    """Return the innermost layer."""
    return _current.get()


def in_transaction() -> bool:
    return _open_transactions.get() > 0


def transaction_opened() -> None:
    _open_transactions.set(_open_transactions.get() + 1)


def transaction_closing() -> None:
    _open_transactions.set(max(0, _open_transactions.get() - 1))


@contextmanager
def own_transactions() -> Iterator[None]:
    """Count from zero: what is open already belongs to somebody else."""
    before = _open_transactions.get()
    _open_transactions.set(0)
    try:
        yield
    finally:
        _open_transactions.set(before)


def side_effect(what: str) -> None:
    for observer in observers:
        observer.side_effect(what, in_transaction=in_transaction())


def carried() -> dict[str, str]:
    return {name: value for observer in observers for name, value in observer.carried().items()}


def entrance(function: Callable[..., Any], label: Label) -> Callable[..., Any]:
    """Return the function with its frame on the stack while it runs; generators and coroutines while they do."""
    if inspect.isgeneratorfunction(function):
        return _generator_entrance(function, label)
    if inspect.isasyncgenfunction(function):
        return _async_generator_entrance(function, label)
    if iscoroutinefunction(function):
        return _coroutine_entrance(function, label)

    @functools.wraps(function)
    def enter(*args: Any, **kwargs: Any) -> Any:
        frame = label(args)
        if frame is None:
            return function(*args, **kwargs)
        _push(frame)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            frame.error = error
            _leave(frame)
            raise
        if inspect.iscoroutine(result):
            # A middleware that serves both worlds, or a method whose decorator makes it asynchronous.
            _current.set(frame.outer)
            return _finish(result, frame)
        frame.refused = result is False and frame.layer in GATES
        _leave(frame)
        return result

    return enter


def _push(frame: Frame) -> None:
    _current.set(frame)
    for observer in observers:
        observer.entered(frame)


def _leave(frame: Frame) -> None:
    _current.set(frame.outer)
    _ended(frame)


def _ended(frame: Frame) -> None:
    frame.left = True
    for observer in observers:
        observer.left(frame)


async def _finish(awaitable: Awaitable[Any], frame: Frame) -> Any:
    _current.set(frame)
    try:
        return await awaitable
    except BaseException as error:
        frame.error = error
        raise
    finally:
        _leave(frame)


def _coroutine_entrance(function: Callable[..., Any], label: Label) -> Callable[..., Any]:
    @functools.wraps(function)
    async def enter(*args: Any, **kwargs: Any) -> Any:
        frame = label(args)
        if frame is None:
            return await function(*args, **kwargs)
        _push(frame)
        return await _finish(function(*args, **kwargs), frame)

    return enter


@contextmanager
def _step(frame: Frame) -> Iterator[None]:
    """Stand in the frame for one step of a generator: between steps its caller runs, in the caller's layer."""
    before = _current.get()
    _current.set(frame)
    try:
        yield
    finally:
        _current.set(before)


def _generator_entrance(function: Callable[..., Any], label: Label) -> Callable[..., Any]:
    @functools.wraps(function)
    def enter(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        iterator = function(*args, **kwargs)
        frame = label(args)
        if frame is None:
            return (yield from iterator)
        with _step(frame):
            _push(frame)
        advance = functools.partial(next, iterator)
        try:
            while True:
                try:
                    with _step(frame):
                        item = advance()
                except StopIteration as stop:
                    return stop.value
                try:
                    advance = functools.partial(iterator.send, (yield item))
                except GeneratorExit:
                    iterator.close()
                    raise
                except BaseException as error:  # noqa: BLE001  # handed to the generator, as `yield from` does
                    advance = functools.partial(iterator.throw, error)
        finally:
            _ended(frame)

    return enter


def _async_generator_entrance(function: Callable[..., Any], label: Label) -> Callable[..., Any]:
    @functools.wraps(function)
    async def enter(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        iterator = function(*args, **kwargs)
        frame = label(args)
        if frame is None:
            async for item in iterator:
                yield item
            return
        with _step(frame):
            _push(frame)
        try:
            while True:
                try:
                    with _step(frame):
                        item = await anext(iterator)
                except StopAsyncIteration:
                    return
                yield item
        finally:
            await iterator.aclose()
            _ended(frame)

    return enter
