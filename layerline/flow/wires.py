"""What goes over a wire: commands to Redis, HTTP requests, messages to the broker, frames to sockets."""

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from time import perf_counter
from typing import Any

import redis.asyncio
from celery import signals
from channels.consumer import AsyncConsumer, SyncConsumer

from layerline.flow import stack
from layerline.flow.entrances import frame_type
from layerline.flow.patches import Patches
from layerline.flow.stack import observers


def watch(patches: Patches) -> None:
    _patch_redis(patches)
    _patch_http(patches)
    patches.put(AsyncConsumer, "send", _async_send(AsyncConsumer.send))
    patches.put(SyncConsumer, "send", _send(SyncConsumer.send))
    signals.before_task_publish.connect(_see_publish, weak=False)


def watch_no_longer() -> None:
    """Take away what is not among the patches."""
    signals.before_task_publish.disconnect(_see_publish)


def _patch_redis(patches: Patches) -> None:
    for module in (redis.client, redis.asyncio.client):
        is_async = module is redis.asyncio.client
        patches.put(module.Redis, "execute_command", (_async_command if is_async else _command)(module.Redis))
        patches.put(module.Pipeline, "execute", (_async_pipeline if is_async else _pipeline)(module.Pipeline))


def _command(client: Any) -> Callable[..., Any]:
    original = client.execute_command

    @functools.wraps(original)
    def execute_command(self: Any, *args: Any, **options: Any) -> Any:
        with _seen(args) as answer:
            answer.append(original(self, *args, **options))
        return answer[0]

    return execute_command


def _async_command(client: Any) -> Callable[..., Any]:
    original = client.execute_command

    @functools.wraps(original)
    async def execute_command(self: Any, *args: Any, **options: Any) -> Any:
        with _seen(args) as answer:
            answer.append(await original(self, *args, **options))
        return answer[0]

    return execute_command


def _pipeline(pipeline: Any) -> Callable[..., Any]:
    original = pipeline.execute

    @functools.wraps(original)
    def execute(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _seen((f"PIPELINE of {len(self)}",)):
            return original(self, *args, **kwargs)

    return execute


def _async_pipeline(pipeline: Any) -> Callable[..., Any]:
    original = pipeline.execute

    @functools.wraps(original)
    async def execute(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _seen((f"PIPELINE of {len(self)}",)):
            return await original(self, *args, **kwargs)

    return execute


@contextmanager
def _seen(args: tuple[Any, ...]) -> Iterator[list[Any]]:
    """Tell the observers of a command, and of its answer if the block puts it into the list."""
    name = str(args[0]).upper()
    answer: list[Any] = []
    error = None
    started = perf_counter()
    try:
        yield answer
    except BaseException as raised:
        error = raised
        raise
    finally:
        for observer in observers:
            observer.command(name, _keys_of(name, args), answer[0] if answer else None, started, error)


def _keys_of(name: str, args: tuple[Any, ...]) -> str:
    """Return the first key: never a value."""
    index = 3 if name in {"EVALSHA", "EVAL", "FCALL"} else 1
    if len(args) <= index:
        return ""
    key = args[index]
    return key.decode(errors="replace") if isinstance(key, bytes) else str(key)


def _patch_http(patches: Patches) -> None:
    """See requests leave by urllib, requests or boto3, all of which end in http.client, and by httpx."""
    patches.put(HTTPConnection, "putrequest", _putrequest(HTTPConnection.putrequest))
    if (httpx := sys.modules.get("httpx")) is not None:
        for transport, method in (("HTTPTransport", "handle_request"), ("AsyncHTTPTransport", "handle_async_request")):
            owner = getattr(httpx, transport)
            patches.put(owner, method, _handle_request(getattr(owner, method)))


def _putrequest(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def putrequest(connection: HTTPConnection, *args: Any, **kwargs: Any) -> Any:
        stack.side_effect(f"an HTTP request to {connection.host}")
        result = original(connection, *args, **kwargs)
        for name, value in stack.carried().items():
            connection.putheader(name, value)
        return result

    return putrequest


def _handle_request(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of httpx, asynchronous or not, that is called with a request."""

    @functools.wraps(original)
    def handle(transport: Any, request: Any) -> Any:
        stack.side_effect(f"an HTTP request to {request.url.host}")
        request.headers.update(stack.carried())
        return original(transport, request)

    return handle


def _see_publish(sender: str, headers: Any = None, **_: Any) -> None:
    stack.side_effect(f"the message of task {sender}")
    if isinstance(headers, dict):
        headers.update(stack.carried())


def _async_send(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def send(consumer: Any, event: Any) -> None:
        _see_sent(event)
        await original(consumer, event)

    return send


def _send(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def send(consumer: Any, event: Any) -> None:
        _see_sent(event)
        original(consumer, event)

    return send


def _see_sent(event: Any) -> None:
    name = str(event.get("type", ""))
    detail = str(event["code"]) if name == "websocket.close" and "code" in event else frame_type(event)
    for observer in observers:
        observer.sent(name, detail)
