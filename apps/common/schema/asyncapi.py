"""The AsyncAPI document: what OpenAPI says of requests, said of sockets, and made of their registries of frames."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml
from django.conf import settings
from drf_spectacular.plumbing import ComponentRegistry
from rest_framework import serializers
from rest_framework.generics import GenericAPIView

from apps.common.frames import CLOSINGS, REF_LENGTH, ClientFrame, Frame, Sender
from apps.common.handlers import PROBLEMS
from apps.common.schema.openapi import ProblemSchema

VERSION: Final = "3.0.0"
_PARAMETER: Final = re.compile(r"<(?:\w+:)?(\w+)>")
_DIRECTIONS: Final = {Sender.CLIENT: "request", Sender.SERVER: "response"}
_DESCRIPTION: Final = (
    "Sockets. Each frame is a JSON object in text with a `type`. Sign in by a ticket in the address, by the "
    "subprotocols `layerline.v1, bearer.ACCESS`, or by a first frame `auth` within 10 seconds. A frame of yours may "
    "carry a `ref`, which its answer carries, too. Ignore fields and frames that you do not know: more may come."
)
_REF: Final = {
    "type": "string",
    "maxLength": REF_LENGTH,
    "description": "What the client calls its frame; the answer carries the same.",
}
_REQUEST_ID: Final = {"type": "string", "description": "Name it when you report a problem."}


@dataclass(frozen=True, slots=True)
class Socket:
    """Where a socket can be opened, and what goes over it.

    Args:
        address: The path, as in `/ws/chat/{slug}/`.
        name: What documents call it.
        purpose: What its consumer says of itself.
    """

    address: str
    name: str
    purpose: str
    frames: tuple[Frame, ...]

    @property
    def parameters(self) -> list[str]:
        """What stands in braces in the address."""
        return re.findall(r"{(\w+)}", self.address)


def sockets_at(routes: Iterable[Any]) -> list[Socket]:
    """Return the sockets of `path()` routes, whose consumers derive from BaseConsumer."""
    return [_socket(route) for route in routes if hasattr(route.pattern, "_route")]


def _socket(route: Any) -> Socket:
    consumer = route.callback.consumer_class
    return Socket(
        address=f"/{_PARAMETER.sub(r'{\1}', str(route.pattern))}",
        name=consumer.__name__.removesuffix("Consumer").lower(),
        purpose=(consumer.__doc__ or "").strip().partition("\n")[0],
        frames=tuple(consumer.frames()),
    )


def frame_schema(frame: Frame, components: "Components | None" = None) -> dict[str, Any]:
    """Return the JSON Schema of a whole frame; what it nests stands among the components."""
    mapped = (components or Components()).map(frame.shape, _DIRECTIONS[frame.sender])
    envelope: dict[str, Any] = {"type": {"type": "string", "const": frame.kind}, "ref": _REF}
    if frame.sender is Sender.SERVER:
        envelope["request_id"] = _REQUEST_ID
    schema: dict[str, Any] = {
        "type": "object",
        "properties": envelope | mapped.get("properties", {}),
        "required": ["type", *mapped.get("required", ())],
    }
    if frame.sender is Sender.CLIENT:
        schema["additionalProperties"] = False
    return schema


def asyncapi_document(sockets: Sequence[Socket]) -> dict[str, Any]:
    """Return the AsyncAPI document of some sockets."""
    components = Components()
    messages = {
        f"{socket.name}.{_key(frame)}": _message(frame, components) for socket in sockets for frame in socket.frames
    }
    return {
        "asyncapi": VERSION,
        "info": {
            "title": settings.SPECTACULAR_SETTINGS["TITLE"],
            "version": settings.SPECTACULAR_SETTINGS["VERSION"],
            "description": _DESCRIPTION,
        },
        "defaultContentType": "application/json",
        "channels": {socket.name: _channel(socket) for socket in sockets},
        "operations": {name: operation for socket in sockets for name, operation in _operations(socket)},
        "components": {"messages": messages, "schemas": components.schemas()},
        "x-close-codes": [
            {"code": int(closing.code), "meaning": closing.meaning, "advice": closing.advice}
            for closing in CLOSINGS.values()
        ],
        "x-error-codes": {problem.code: problem.meaning for problem in PROBLEMS.values()},
    }


def asyncapi_yaml(sockets: Sequence[Socket]) -> str:
    """Return the same as a text."""
    text: str = yaml.safe_dump(asyncapi_document(sockets), sort_keys=False, allow_unicode=True, width=120)
    return text


class Components:
    """Turns serializers into JSON Schema by the hands that make the OpenAPI document, and keeps what they nest."""

    def __init__(self) -> None:
        self._mapper: Any = ProblemSchema()
        self._mapper.registry = ComponentRegistry()
        self._mapper.view = GenericAPIView(request=None, format_kwarg=None)
        self._mapper.method, self._mapper.path = "POST", "/"

    def map(self, shape: type[serializers.Serializer[Any]], direction: str) -> dict[str, Any]:
        """Return the JSON Schema of what a serializer takes (`request`) or gives (`response`)."""
        return _json_schema(self._mapper._map_serializer(shape(), direction))  # noqa: SLF001  # what it does for views

    def schemas(self) -> dict[str, Any]:
        """Return what was nested, by name."""
        built: dict[str, Any] = self._mapper.registry.build({}).get("schemas", {})
        return {name: _json_schema(schema) for name, schema in built.items()}


def _channel(socket: Socket) -> dict[str, Any]:
    channel = {
        "address": socket.address,
        "description": socket.purpose,
        "messages": {
            _key(frame): {"$ref": f"#/components/messages/{socket.name}.{_key(frame)}"} for frame in socket.frames
        },
        "bindings": {"ws": {"method": "GET", "query": _QUERY, "bindingVersion": "0.1.0"}},
    }
    if socket.parameters:
        channel["parameters"] = {
            name: {"description": f"The {name} that the address names."} for name in socket.parameters
        }
    return channel


_QUERY: Final = {
    "type": "object",
    "properties": {"ticket": {"type": "string", "description": "Opens one socket, once: from `POST /auth/ticket/`."}},
}


def _operations(socket: Socket) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what can be done at a socket, as AsyncAPI sees it: from the server's end."""
    channel = {"$ref": f"#/channels/{socket.name}"}
    (error,) = (frame for frame in socket.frames if frame.kind == "error")
    answers: set[Frame] = {error}
    for frame in socket.frames:
        if isinstance(frame, ClientFrame):
            answers.update(frame.answers)
            replies = [_reference(socket, answer) for answer in (*frame.answers, error)]
            yield (
                f"{socket.name}.receive.{frame.title}",
                {
                    "action": "receive",
                    "channel": channel,
                    "summary": frame.purpose,
                    "messages": [_reference(socket, frame)],
                    "reply": {"channel": channel, "messages": replies},
                },
            )
    for frame in socket.frames:
        if frame.sender is Sender.SERVER and frame not in answers:
            yield (
                f"{socket.name}.send.{frame.title}",
                {
                    "action": "send",
                    "channel": channel,
                    "summary": frame.purpose,
                    "messages": [_reference(socket, frame)],
                },
            )


def _reference(socket: Socket, frame: Frame) -> dict[str, str]:
    return {"$ref": f"#/channels/{socket.name}/messages/{_key(frame)}"}


def _key(frame: Frame) -> str:
    """Return a name that a client's frame and a server's of the same type do not share."""
    return f"{frame.sender}.{frame.title}"


def _message(frame: Frame, components: Components) -> dict[str, Any]:
    return {
        "name": frame.kind,
        "title": frame.title,
        "summary": frame.purpose,
        "contentType": "application/json",
        "payload": frame_schema(frame, components),
        "examples": [{"payload": frame.whole_example}],
    }


def _json_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return JSON Schema (draft 7) for a schema of OpenAPI 3.0, which writes null in a way of its own."""
    result: dict[str, Any] = {}
    for name, value in schema.items():
        match name, value:
            case ("properties", dict()):
                result[name] = {key: _json_schema(inner) for key, inner in value.items()}
            case (("items" | "additionalProperties"), dict()):
                result[name] = _json_schema(value)
            case (("allOf" | "anyOf" | "oneOf"), list()):
                result[name] = [_json_schema(inner) for inner in value]
            case (("nullable" | "readOnly" | "writeOnly"), _):
                continue
            case _:
                result[name] = value
    return {"anyOf": [result, {"type": "null"}]} if schema.get("nullable") else result
