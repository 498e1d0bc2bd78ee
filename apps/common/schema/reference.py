"""The page of all frames, made of their registries."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from apps.common.frames import CLOSINGS, ClientFrame, Frame, Sender
from apps.common.schema.asyncapi import Socket, frame_schema

_INTRODUCTION: Final = """\
<!-- Written by `make manage ARGS="document_sockets"` from the registries of frames. Change those instead. -->

# Frames

Every socket of the project and every frame that goes over it. The same stands in `/api/asyncapi.yaml` for programs.
[sockets.md](sockets.md) tells how to connect, to catch up and to come back; [api.md](api.md#errors) has the codes of
errors.

Frames are JSON objects in text, 64 KiB at most. A frame of yours may carry a `ref` of 64 characters at most, and its
answer carries the same; answers carry a `request_id` to name when something is to be reported. Ignore fields and frames
that you do not know: more may come.

## Close codes

{closings}
"""
_LINE: Final = 120


def reference(sockets: Sequence[Socket]) -> str:
    """Return the page, as docs/frames.md holds it."""
    rows = [(str(int(closing.code)), closing.meaning, closing.advice) for closing in CLOSINGS.values()]
    closings = _table(("code", "meaning", "what to do"), rows)
    return "\n".join([_INTRODUCTION.format(closings=closings), *("\n".join(_socket(socket)) for socket in sockets)])


def _socket(socket: Socket) -> Iterator[str]:
    yield f"## {socket.address}\n"
    yield f"{socket.purpose}\n"
    for sender, title in ((Sender.CLIENT, "From the client"), (Sender.SERVER, "From the server")):
        frames = [frame for frame in socket.frames if frame.sender is sender]
        yield f"### {title} at {socket.address}\n"
        yield f"{_overview(frames)}\n"
        for frame in frames:
            yield from _frame(frame)


def _overview(frames: Sequence[Frame]) -> str:
    rows = []
    for frame in frames:
        row = [f"`{frame.title}`", frame.purpose]
        if isinstance(frame, ClientFrame):
            row.append(", ".join(f"`{answer.title}`" for answer in frame.answers))
        rows.append(tuple(row))
    heads = (
        ("frame", "what it is for", "answer")
        if frames and isinstance(frames[0], ClientFrame)
        else ("frame", "what it is for")
    )
    return _table(heads, rows)


def _frame(frame: Frame) -> Iterator[str]:
    schema = frame_schema(frame)
    own = {name: field for name, field in schema["properties"].items() if name not in {"type", "ref", "request_id"}}
    yield f"**`{frame.title}`**\n"
    if own:
        rows = [(_name(name, schema), _kind(field), field.get("description", "")) for name, field in own.items()]
        yield f"{_table(('field', 'holds', ''), rows)}\n"
    yield f"```json\n{_example(frame)}\n```\n"


def _example(frame: Frame) -> str:
    line = json.dumps(frame.whole_example, ensure_ascii=False)
    return line if len(line) <= _LINE else json.dumps(frame.whole_example, ensure_ascii=False, indent=2)


def _name(name: str, schema: Mapping[str, Any]) -> str:
    return f"`{name}`" if name in schema["required"] else f"`{name}`, may be left out"


def _kind(field: Mapping[str, Any]) -> str:
    """Say in words what a schema lets through."""
    if "anyOf" in field:
        return " or ".join(_kind(inner) for inner in field["anyOf"])
    if "$ref" in field or "allOf" in field:
        return "object"
    if field.get("type") == "null":
        return "`null`"
    words = {"string": "text", "integer": "whole number", "boolean": "`true` or `false`"}
    kind = field.get("format") or words.get(field["type"], field["type"])
    if field["type"] == "array":
        kind = f"list of {_kind(field['items'])}"
    bounds = {"maxLength": "{} characters at most", "minimum": "from {}", "maximum": "to {}"}
    return ", ".join([kind, *(text.format(field[name]) for name, text in bounds.items() if name in field)])


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
