"""Which flows a project documents: read from a file of its own, since the toolkit knows none of them."""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

FILE: Final = "flows.toml"
_NAME: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_PLACE: Final = re.compile(r"\S+[^.\s]: \S+")
_REQUEST: Final = re.compile(r"(?P<method>[A-Z]+) (?P<path>\S+)")
_REQUEST_KEYS: Final = frozenset({"request", "as", "body", "frames", "status"})
_FLOW_KEYS: Final = _REQUEST_KEYS | {"name", "title", "summary", "story", "given", "code"}
_BOOK_KEYS: Final = frozenset({"introduction", "closing", "layers", "flows"})


class DeclarationError(Exception):
    """A file of declarations that cannot be used."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request, socket or task.

    Args:
        method: A verb, or `WS` or `TASK`.
        path: With its query string; of a task its name.
        actor: The e-mail address of whoever is signed in; nobody where empty.
        texts: The body; the frames of a socket; a task's arguments. Each as JSON.
        status: The code of the answer, or `open` or `done`.
    """

    method: str
    path: str
    actor: str
    texts: tuple[str, ...]
    status: str

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Self:
        """Read `request = "GET /path/"`, `as`, `body` or `frames`, and `status` of a table.

        Raises:
            DeclarationError: If the request is none.
        """
        request = _take(table, "request", str)
        match = _REQUEST.fullmatch(request)
        if match is None:
            raise DeclarationError(f"{request!r} is no request such as 'GET /api/v1/auth/me/'")
        sent = _take(table, "frames", list, [table["body"]] if "body" in table else [])
        texts = tuple(json.dumps(value, ensure_ascii=False) for value in sent)
        status = str(_take(table, "status", int | str))
        return cls(match["method"], match["path"], _take(table, "as", str, ""), texts, status)


@dataclass(frozen=True, slots=True)
class Flow:
    """One page.

    Args:
        name: What its files are called.
        title: Its heading.
        summary: One sentence for the list of all pages.
        story: A paragraph about it, in Markdown.
        given: What is sent before, and not drawn.
        request: What is sent and drawn.
        code: What no trace shows and yet belongs to it: a layer, and `path/of/module: name`.
    """

    name: str
    title: str
    summary: str
    story: str
    given: tuple[Request, ...]
    request: Request
    code: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Book:
    """All pages.

    Args:
        introduction: What stands above the list of them, in Markdown.
        closing: What stands below it.
        layers: Where each layer's own page is.
        flows: In their order.
    """

    introduction: str
    closing: str
    layers: dict[str, str]
    flows: tuple[Flow, ...]


def read(folder: Path) -> Book:
    """Read the declarations of a folder.

    Raises:
        DeclarationError: If there are none, or they lack something or hold what is not known.
    """
    file = folder / FILE
    try:
        return _book(tomllib.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, DeclarationError) as error:
        raise DeclarationError(f"{file}: {error}") from error


def _book(table: Mapping[str, Any]) -> Book:
    _refuse_unknown(table, _BOOK_KEYS)
    flows = tuple(_flow(_table(entry)) for entry in _take(table, "flows", list))
    names = [flow.name for flow in flows]
    if len(set(names)) < len(names):
        raise DeclarationError("two flows have one name")
    introduction, closing = (_take(table, name, str).strip() for name in ("introduction", "closing"))
    return Book(introduction, closing, _take(table, "layers", dict, {}), flows)


def _flow(table: Mapping[str, Any]) -> Flow:
    name, title, summary, story = (_take(table, key, str).strip() for key in ("name", "title", "summary", "story"))
    if not _NAME.fullmatch(name):
        raise DeclarationError(f"{name!r} is no name of a file: small letters, digits and hyphens")
    try:
        _refuse_unknown(table, _FLOW_KEYS)
        given = [_table(before) for before in _take(table, "given", list, [])]
        for before in given:
            _refuse_unknown(before, _REQUEST_KEYS)
        code = tuple(map(_code, _take(table, "code", list, [])))
        return Flow(name, title, summary, story, tuple(map(Request.of, given)), Request.of(table), code)
    except DeclarationError as error:
        raise DeclarationError(f"{name}: {error}") from error


def _code(entry: Any) -> tuple[str, str]:
    match entry:
        case [str(layer), str(place)] if _PLACE.fullmatch(place):
            return layer, place
    raise DeclarationError(f"{entry!r} is not a layer and a place such as 'apps/users/models: User'")


def _table(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise DeclarationError(f"{value!r} is no table")
    return value


def _take(table: Mapping[str, Any], name: str, kind: Any, default: Any = None) -> Any:
    value = table.get(name, default)
    if value is None:
        raise DeclarationError(f"`{name}` is missing")
    if not isinstance(value, kind) or isinstance(value, bool):
        raise DeclarationError(f"`{name}` is of another type than it should be: {value!r}")
    return value


def _refuse_unknown(table: Mapping[str, Any], known: frozenset[str]) -> None:
    if unknown := sorted(set(table) - known):
        raise DeclarationError(f"`{'`, `'.join(unknown)}` is not known here")
