"""TypeScript types of what goes over sockets, made of the AsyncAPI document."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

_HEAD: Final = """\
// Written by `make manage ARGS="document_sockets"` from the registries of frames. Change those instead.
"""
_PLAIN: Final = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}


def typescript(document: Mapping[str, Any]) -> str:
    """Return a module with an interface for each frame, and the two unions of each socket.

    Args:
        document: What `asyncapi_document` gives.
    """
    return "\n".join([_HEAD, *_shared(document), *_frames(document), *_unions(document), *_closings(document)])


def _shared(document: Mapping[str, Any]) -> Iterator[str]:
    for name, schema in document["components"]["schemas"].items():
        yield f"export type {name} = {_type(schema)};\n"


def _frames(document: Mapping[str, Any]) -> Iterator[str]:
    for key, message in document["components"]["messages"].items():
        yield f"/** {message['summary']} */"
        yield f"export interface {_name(key)} {_type(message['payload'])}\n"


def _unions(document: Mapping[str, Any]) -> Iterator[str]:
    for name, channel in document["channels"].items():
        for sender in ("client", "server"):
            kinds = [_name(f"{name}.{key}") for key in channel["messages"] if key.startswith(f"{sender}.")]
            yield f"/** Whatever the {sender} sends over `{channel['address']}`. */"
            yield f"export type {_name(f'{name}.{sender}')} =\n  | " + "\n  | ".join(kinds) + ";\n"


def _closings(document: Mapping[str, Any]) -> Iterator[str]:
    codes = " | ".join(str(closing["code"]) for closing in document["x-close-codes"])
    yield f"/** Why a socket was closed. */\nexport type CloseCode = {codes};\n"
    codes = " | ".join(f'"{code}"' for code in document["x-error-codes"])
    yield f"/** Why a frame or a request was refused. */\nexport type ErrorCode = {codes};\n"


def _name(key: str) -> str:
    """Return `ChatServerMessageEdited` for `chat.server.message.edited`."""
    return "".join(part[:1].upper() + part[1:] for part in key.replace("_", ".").replace("-", ".").split("."))


def _type(schema: Mapping[str, Any], indent: str = "") -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    for several, sign in (("anyOf", " | "), ("oneOf", " | "), ("allOf", " & ")):
        if several in schema:
            return sign.join(_type(each, indent) for each in schema[several])
    if "const" in schema or "enum" in schema:
        return " | ".join(_literal(value) for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"Array<{_type(schema['items'], indent)}>"
    if schema.get("type") == "object" or "properties" in schema:
        return _object(schema, indent)
    return _PLAIN.get(str(schema.get("type")), "unknown")


def _object(schema: Mapping[str, Any], indent: str) -> str:
    properties = schema.get("properties", {})
    if not properties:
        return "Record<string, unknown>"
    inner = indent + "  "
    required = schema.get("required", ())
    lines = []
    for name, value in properties.items():
        if description := value.get("description"):
            lines.append(f"{inner}/** {' '.join(description.split())} */")
        lines.append(f"{inner}{name}{'' if name in required else '?'}: {_type(value, inner)};")
    return "\n".join(["{", *lines, f"{indent}}}"])


def _literal(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else "null" if value is None else str(value).lower()
