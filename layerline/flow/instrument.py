"""Puts the instrument in place while somebody watches, and takes all of it away again."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pkgutil import walk_packages
from time import perf_counter
from types import ModuleType
from typing import Any, Final

from celery.app.task import Task
from django.apps import apps
from django.conf import settings
from django.contrib import auth
from django.core.handlers.base import BaseHandler
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.transaction import Atomic, get_connection
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.module_loading import import_string
from rest_framework.views import APIView

from layerline.flow import entrances, stack, wires
from layerline.flow.layers import NAMESPACES, House, Layer
from layerline.flow.patches import Patches
from layerline.flow.stack import Frame, Observer, entrance, observers

_patches: Final = Patches()
_asked_for: Final[dict[str, ModuleType]] = {}
_middleware: Final[set[type]] = set()


@contextmanager
def installed(observer: Observer) -> Iterator[None]:
    """Let the observer watch for a while; the first puts the instrument in place, the last takes it away."""
    install(observer)
    try:
        yield
    finally:
        uninstall(observer)


def install(observer: Observer) -> None:
    """Let the observer watch, until it is uninstalled."""
    if not _patches:
        _put_in_place(House.of_settings())
    observers.append(observer)


def uninstall(observer: Observer) -> None:
    """Let the observer watch no longer."""
    observers.remove(observer)
    if not observers:
        _take_away()


def wrapped() -> int:
    """Return how many attributes stand replaced at this moment."""
    return len(_patches)


def watch_module(module: ModuleType) -> None:
    """Watch a module of services or selectors that belongs to no installed app, now or once somebody watches."""
    if module.__name__ not in _asked_for:
        _asked_for[module.__name__] = module
        if _patches:
            entrances.open_namespaces(module, House.of_settings(), _patches)


def _put_in_place(house: House) -> None:
    entrances.open_hooks(house, _patches)
    for module in {*_namespaces(house), *_asked_for.values()}:
        entrances.open_namespaces(module, house, _patches)
    _patch_django(house)
    _patches.put(Task, "__call__", entrances.task_entrance(house))
    wires.watch(_patches)
    connection_created.connect(_watch_connection, weak=False)
    for connection in connections.all(initialized_only=True):
        _watch_connection(connection)


def _take_away() -> None:
    _patches.undo()
    _middleware.clear()
    wires.watch_no_longer()
    connection_created.disconnect(_watch_connection)
    # Those of other threads keep theirs, which does nothing while nobody watches.
    for connection in connections.all(initialized_only=True):
        if _see_statement in connection.execute_wrappers:
            connection.execute_wrappers.remove(_see_statement)


def _namespaces(house: House) -> Iterator[ModuleType]:
    """Import every module of services and selectors, so that none is imported unseen later."""
    for config in apps.get_app_configs():
        if not house.owns(config.name):
            continue
        for name in NAMESPACES:
            path = f"{config.name}.{name}"
            if find_spec(path) is None:
                continue
            module = import_module(path)
            yield module
            for found in walk_packages(getattr(module, "__path__", ()), f"{path}."):
                yield import_module(found.name)


def _patch_django(house: House) -> None:
    _watch_middleware(house)
    _patches.put(BaseHandler, "load_middleware", _load_middleware(BaseHandler.load_middleware, house))
    _patches.put(APIView, "handle_exception", _handle_exception(APIView.handle_exception))
    make_view = BaseHandler.make_view_atomic

    def make_view_atomic(handler: BaseHandler, view: Callable[..., Any]) -> Callable[..., Any]:
        made: Callable[..., Any] = make_view(handler, view)
        return entrances.view_entrance(made, house)

    _patches.put(BaseHandler, "make_view_atomic", make_view_atomic)
    _patches.put(BaseHandler, "get_response", _get_response(BaseHandler.get_response))
    _patches.put(BaseHandler, "get_response_async", _get_response_async(BaseHandler.get_response_async))
    _patches.put(
        auth,
        "get_user",
        entrance(auth.get_user, lambda _args: Frame(Layer.AUTHENTICATION, "session", module=auth.__name__, own=False)),
    )
    _patches.put(Atomic, "__enter__", _atomic_enter(Atomic.__enter__))
    _patches.put(Atomic, "__exit__", _atomic_exit(Atomic.__exit__))
    _patches.put(BaseDatabaseWrapper, "on_commit", _on_commit(BaseDatabaseWrapper.on_commit))


def _watch_middleware(house: House) -> None:
    """Watch the classes of the setting, those alone that are not watched yet."""
    label = entrances.middleware_label(house)
    for path in settings.MIDDLEWARE:
        for cls in getattr(import_string(path), "__mro__", ())[:-1]:
            if "__call__" in vars(cls) and cls not in _middleware:
                _middleware.add(cls)
                _patches.put(cls, "__call__", entrance(vars(cls)["__call__"], label))


def _load_middleware(original: Callable[..., Any], house: House) -> Callable[..., Any]:
    @functools.wraps(original)
    def load_middleware(handler: BaseHandler, *args: Any, **kwargs: Any) -> None:
        # The setting may be another one than when the instrument was put in place.
        _watch_middleware(house)
        original(handler, *args, **kwargs)

    return load_middleware


def _get_response(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def get_response(handler: BaseHandler, request: HttpRequest) -> Any:
        response = None
        _see_asked(request)
        try:
            response = original(handler, request)
            return response
        finally:
            _see_answered(request, response)

    return get_response


def _get_response_async(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def get_response(handler: BaseHandler, request: HttpRequest) -> Any:
        response = None
        _see_asked(request)
        try:
            response = await original(handler, request)
            return response
        finally:
            _see_answered(request, response)

    return get_response


def _see_asked(request: HttpRequest) -> None:
    for observer in observers:
        observer.asked(request)


def _see_answered(request: HttpRequest, response: HttpResponseBase | None) -> None:
    for observer in observers:
        observer.answered(request, response)


def _handle_exception(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def handle(view: Any, error: Exception) -> Any:
        for observer in observers:
            observer.handled(error)
        return original(view, error)

    return handle


def _atomic_enter(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def enter(atomic: Any) -> None:
        outermost = not get_connection(atomic.using).in_atomic_block
        original(atomic)
        # Django's mark on the transaction around a test, which is none of the tested code's.
        if atomic._from_testcase:  # noqa: SLF001  # read by Django's own `durable`, too
            return
        stack.transaction_opened()
        for observer in observers:
            observer.transaction("BEGIN" if outermost else "SAVEPOINT")

    return enter


def _atomic_exit(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def leave(atomic: Any, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        if atomic._from_testcase:  # noqa: SLF001  # as above
            original(atomic, exc_type, exc_value, traceback)
            return
        # Before the end: what was put off until the commit runs inside of it, and is no longer in the transaction.
        stack.transaction_closing()
        outermost = len(get_connection(atomic.using).atomic_blocks) == 1
        ends = ("COMMIT", "ROLLBACK") if outermost else ("RELEASE", "ROLLBACK TO")
        for observer in observers:
            observer.transaction(ends[exc_type is not None])
        original(atomic, exc_type, exc_value, traceback)

    return leave


def _on_commit(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def on_commit(connection: Any, func: Any, robust: bool = False) -> None:  # noqa: FBT001, FBT002  # Django's
        if not callable(func):
            original(connection, func, robust)
            return
        name = _name_of(func)
        origin = stack.current()
        for observer in observers:
            observer.queued(name)

        def label(_args: tuple[Any, ...]) -> Frame:
            return Frame(Layer.ON_COMMIT, name, module=_module_of(func), own=False, origin=origin)

        original(connection, entrance(func, label), robust)

    return on_commit


def _name_of(function: Any) -> str:
    behind = _unbound(function)
    qualified: str = getattr(behind, "__qualname__", type(behind).__qualname__)
    return f"{_module_of(function).rpartition('.')[2]}.{qualified.partition('.<locals>')[0]}"


def _module_of(function: Any) -> str:
    behind = _unbound(function)
    module: str = getattr(behind, "__module__", None) or type(behind).__module__
    return module


def _unbound(function: Any) -> Any:
    """Return the function behind partials of it."""
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _watch_connection(connection: BaseDatabaseWrapper, **_: Any) -> None:
    if _see_statement not in connection.execute_wrappers:
        # First, since whoever uses `connection.execute_wrapper()` takes away the last one afterwards.
        connection.execute_wrappers.insert(0, _see_statement)


def _see_statement(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001  # Django's
    if not observers:
        return execute(sql, params, many, context)
    started = perf_counter()
    error = None
    try:
        return execute(sql, params, many, context)
    except BaseException as raised:
        error = raised
        raise
    finally:
        text = sql if isinstance(sql, str) else str(sql)
        for observer in observers:
            observer.statement(text, started, error)
