"""Where each layer is entered: methods of classes that frameworks call, and the static methods of a slice.

Classes are changed in place and never replaced, so it does not matter who imported them before. What does escape is a
method that somebody took out of its class before, as in `refresh = SessionService.refresh` at the head of a module.
"""

import functools
import inspect
import json
import re
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from asgiref.sync import iscoroutinefunction
from celery.app.task import Task
from channels.consumer import AsyncConsumer, get_handler_name
from channels.layers import BaseChannelLayer
from channels_redis.pubsub import RedisPubSubLoopLayer
from django.contrib.sessions.backends.base import SessionBase
from django.core.mail.backends.base import BaseEmailBackend
from django.core.management.base import BaseCommand
from django.template.response import SimpleTemplateResponse
from django.views import View
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.authentication import BaseAuthentication
from rest_framework.filters import BaseFilterBackend
from rest_framework.pagination import BasePagination
from rest_framework.parsers import BaseParser
from rest_framework.permissions import BasePermission
from rest_framework.renderers import BaseRenderer
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer, ListSerializer
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from layerline.flow import stack
from layerline.flow.layers import House, Layer
from layerline.flow.patches import Patches
from layerline.flow.stack import Frame, Label, entrance

type Namer = Callable[[tuple[Any, ...]], str]


def _class_of(args: tuple[Any, ...]) -> str:
    return type(args[0]).__name__


def _action_of(args: tuple[Any, ...]) -> str:
    view, request = args[0], args[1]
    method = (request.method or "").lower()
    if method not in View.http_method_names:
        # Whatever a stranger made up.
        method = "http_method_not_allowed"
    return f"{type(view).__name__}.{getattr(view, 'action_map', {}).get(method, method)}"


def _handler_of(args: tuple[Any, ...]) -> str:
    return f"{type(args[0]).__name__}.{get_handler_name(args[1])}"


def _throttles_of(args: tuple[Any, ...]) -> str:
    return ", ".join(type(throttle).__name__ for throttle in args[0].get_throttles())


def _command_of(args: tuple[Any, ...]) -> str:
    return type(args[0]).__module__.rpartition(".")[2]


def _serializer_of(args: tuple[Any, ...]) -> str:
    serializer = args[0]
    if isinstance(serializer, ListSerializer):
        return f"{type(serializer.child).__name__}(many=True)"
    return type(serializer).__name__


# The part of a channel's name that stands for one socket.
_SOMEBODY: Final = re.compile(r"!.*")

_HOOKS: Final[tuple[tuple[Layer, type, tuple[str, ...], Namer], ...]] = (
    (Layer.AUTHENTICATION, BaseAuthentication, ("authenticate",), _class_of),
    # What a signed-in browser costs, whoever is the first to look at `request.user`.
    (Layer.AUTHENTICATION, SessionBase, ("load", "save", "delete", "exists", "cycle_key", "flush"), _class_of),
    (Layer.THROTTLE, BaseThrottle, ("allow_request",), _class_of),
    # Where a project counts all limits of a request at once, no throttle is asked by itself.
    (Layer.THROTTLE, APIView, ("check_throttles",), _throttles_of),
    (Layer.PERMISSION, BasePermission, ("has_permission", "has_object_permission"), _class_of),
    (Layer.PARSER, BaseParser, ("parse",), _class_of),
    (Layer.VIEW, APIView, ("dispatch",), _action_of),
    (Layer.FILTER, BaseFilterBackend, ("filter_queryset",), _class_of),
    (Layer.FILTER, DjangoFilterBackend, ("filter_queryset",), _class_of),
    (Layer.PAGINATOR, BasePagination, ("paginate_queryset", "get_paginated_response"), _class_of),
    (
        Layer.SERIALIZER,
        BaseSerializer,
        ("is_valid", "run_validation", "to_representation", "save", "create", "update"),
        _serializer_of,
    ),
    (Layer.RENDERER, BaseRenderer, ("render",), _class_of),
    (Layer.CONSUMER, AsyncConsumer, ("dispatch",), _handler_of),
    (Layer.COMMAND, BaseCommand, ("execute",), _command_of),
    (Layer.MAIL, BaseEmailBackend, ("send_messages",), _class_of),
    *(
        hook
        # The second is not derived from the first: a layer for each event loop, behind a proxy of all of them.
        for base in (BaseChannelLayer, RedisPubSubLoopLayer)
        for hook in (
            (Layer.CHANNEL, base, ("send",), lambda args: f"send {_SOMEBODY.sub('', _addressee(args))}"),
            (Layer.CHANNEL, base, ("group_send",), lambda args: f"group_send {_addressee(args)}"),
        )
    ),
)
_SIDE_EFFECTS: Final = {Layer.MAIL: "a mail", Layer.CHANNEL: "a message to sockets"}
# A type is a word of a protocol, and what does not look like one may be anything.
_TYPE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")


def message_type(message: Any) -> str:
    """Return the type that a message names, and nothing else of it."""
    named = message.get("type") if isinstance(message, dict) else None
    return named if isinstance(named, str) and _TYPE.fullmatch(named) else ""


def frame_type(event: Any) -> str:
    """Return what kind of frame an event of a socket carries: the type in its JSON, or text or binary."""
    if event.get("bytes") is not None:
        return "binary"
    try:
        return message_type(json.loads(event["text"])) or "text"
    except (KeyError, TypeError, ValueError, RecursionError):
        return "text" if event.get("text") else ""


def _addressee(args: tuple[Any, ...]) -> str:
    return str(args[1]) if len(args) > 1 else ""


def _detail(layer: Layer, args: tuple[Any, ...]) -> str:
    if layer is Layer.CONSUMER:
        return frame_type(args[1])
    return message_type(args[2]) if layer is Layer.CHANNEL and len(args) > 2 else ""  # noqa: PLR2004  # the message


def open_hooks(house: House, patches: Patches) -> None:
    """Watch every class of the frameworks' hooks, those that are still to be defined included."""
    for layer, base, methods, namer in _HOOKS:
        _watch_tree(base, methods, _method_label(house, layer, namer), patches)


def open_namespaces(module: ModuleType, house: House, patches: Patches) -> None:
    """Watch the public static methods of a module of services or selectors."""
    layer = house.namespace(module.__name__)
    if layer is None:
        return
    for cls in vars(module).values():
        if not inspect.isclass(cls) or cls.__module__ != module.__name__:
            continue
        for name, method in list(vars(cls).items()):
            if not name.startswith("_") and isinstance(method, staticmethod | classmethod):
                label = _fixed_label(layer, f"{cls.__name__}.{name}", cls.__module__)
                patches.put(cls, name, type(method)(entrance(method.__func__, label)))


def middleware_label(house: House) -> Label:
    return _method_label(house, Layer.MIDDLEWARE, _class_of)


def view_entrance(view: Callable[..., Any], house: House) -> Callable[..., Any]:
    """Return a view that is entered as one; those of DRF are where they dispatch."""
    if issubclass(getattr(view, "cls", object), APIView):
        return view
    named = getattr(view, "view_class", view)
    # Marks of the admin site itself and of each ModelAdmin.
    is_admin = hasattr(view, "admin_site") or hasattr(view, "model_admin")
    layer = Layer.ADMIN if is_admin else Layer.VIEW
    own = house.owns(named.__module__)
    name = getattr(named, "__name__", type(named).__name__)

    def label(_args: tuple[Any, ...]) -> Frame:
        return Frame(layer, name, module=named.__module__, own=own)

    entered = entrance(view, label)
    if iscoroutinefunction(view) or not (own or is_admin):
        return entered

    def answer(*args: Any, **kwargs: Any) -> Any:
        response = entered(*args, **kwargs)
        if isinstance(response, SimpleTemplateResponse) and not isinstance(response, Response):
            # It is rendered after the view has ended, and with it whatever lazy queryset it was given.
            inside = Layer.ADMIN if is_admin else Layer.RENDERER
            response.render = entrance(  # type: ignore[method-assign]  # this one response's
                response.render,
                lambda _args: Frame(inside, type(response).__name__, module=type(response).__module__, own=own),
            )
        return response

    return answer


def task_entrance(house: House) -> Callable[..., Any]:
    """Return the `__call__` of every task."""
    original = Task.__call__

    def label(args: tuple[Any, ...]) -> Frame:
        task = args[0]
        module = task.run.__module__
        return Frame(Layer.TASK, task.name or type(task).__name__, module=module, own=house.owns(module), subject=task)

    def call(task: Any, *args: Any, **kwargs: Any) -> Any:
        _open_work(task, house)
        return original(task, *args, **kwargs)

    return entrance(call, label)


def _open_work(task: Any, house: House) -> None:
    """Watch the function that a runner of jobs runs as this task.

    The task's own function is the runner's then, and holds the work of another module in its closure. The transaction
    in which the runner keeps the work together with its outcome is no transaction of the work.
    """
    cell = _cell_of_work(task)
    if cell is not None and not hasattr(cell.cell_contents, "layerline_job"):
        work = cell.cell_contents
        cell.cell_contents = _job_entrance(work, task.name, own=house.owns(work.__module__))


def work_of(task: Any) -> Callable[..., Any] | None:
    """Return the function that a runner of jobs runs as this task; None for a task that is no job."""
    cell = _cell_of_work(task)
    return cell.cell_contents if cell else None


def _cell_of_work(task: Any) -> Any:
    run = task.run
    for cell in getattr(run, "__closure__", None) or ():
        if inspect.isfunction(cell.cell_contents) and cell.cell_contents.__module__ != run.__module__:
            return cell
    return None


def _job_entrance(work: Callable[..., Any], name: str, *, own: bool) -> Callable[..., Any]:
    def do(*args: Any, **kwargs: Any) -> Any:
        with stack.own_transactions():
            return work(*args, **kwargs)

    functools.update_wrapper(do, work)
    entered = entrance(do, lambda _args: Frame(Layer.JOB, name, module=work.__module__, own=own))
    vars(entered)["layerline_job"] = True
    return entered


def _watch_tree(base: type, methods: tuple[str, ...], label: Label, patches: Patches) -> None:
    def watch(cls: type) -> None:
        for name in methods:
            method = vars(cls).get(name)
            if method is not None:
                patches.put(cls, name, entrance(_as_function(method), label))

    # The base's own, or that of another set of methods of the same base.
    before = vars(base).get("__init_subclass__")

    def watch_new(cls: Any, /, **kwargs: Any) -> None:
        if before is None:
            super(base, cls).__init_subclass__(**kwargs)  # type: ignore[arg-type]  # bound where `cls` is a class
        else:
            before.__get__(None, cls)(**kwargs)
        watch(cls)

    for cls in [base, *_descendants(base)]:
        watch(cls)
    patches.put(base, "__init_subclass__", classmethod(watch_new))


def _descendants(base: type) -> list[type]:
    found: dict[type, None] = {}
    waiting: list[type] = [base]
    while waiting:
        subclasses: list[type] = type.__subclasses__(waiting.pop())
        for cls in subclasses:
            if cls not in found:
                found[cls] = None
                waiting.append(cls)
    return list(found)


def _as_function(method: Any) -> Callable[..., Any]:
    if inspect.isfunction(method):
        return method

    def call(subject: Any, *args: Any, **kwargs: Any) -> Any:
        # A descriptor, such as what `database_sync_to_async` makes of a method.
        return method.__get__(subject, type(subject))(*args, **kwargs)

    return call


def _fixed_label(layer: Layer, name: str, module: str) -> Label:
    return lambda _args: Frame(layer, name, module=module, own=True)


def _method_label(house: House, layer: Layer, namer: Namer) -> Label:
    effect = _SIDE_EFFECTS.get(layer)

    def label(args: tuple[Any, ...]) -> Frame | None:
        subject = args[0]
        outer = stack.current()
        if outer is not None and outer.layer is layer and (outer.subject is subject or layer is Layer.SERIALIZER):
            # A call of `super()`, or a serializer's own fields and rows.
            return None
        name = namer(args)
        if not name:
            return None
        if effect:
            stack.side_effect(effect)
        module = type(subject).__module__
        return Frame(layer, name, module=module, own=house.owns(module), detail=_detail(layer, args), subject=subject)

    return label
