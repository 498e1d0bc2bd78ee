"""Holds what a server really sends to the frames that its consumer registers."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import jsonschema

from apps.common.frames import Sender
from apps.common.schema import Components, frame_schema

if TYPE_CHECKING:
    from django.urls import URLPattern


@cache
def _validators(consumer: Any) -> dict[str, list[Any]]:
    """Return, for each type, what checks a frame of it: stricter than the document, which lets clients be told more."""
    components = Components()
    schemas = [(frame, frame_schema(frame, components)) for frame in consumer.frames() if frame.sender is Sender.SERVER]
    found: dict[str, list[Any]] = {}
    for frame, schema in schemas:
        strict = {**schema, "additionalProperties": False, "components": {"schemas": components.schemas()}}
        checker = jsonschema.Draft7Validator(strict, format_checker=jsonschema.FormatChecker())
        found.setdefault(frame.kind, []).append(checker)
    return found


def consumer_at(path: str, routes: Iterable[Any]) -> Any:
    """Return the consumer that answers at a path; None if it is no `path()` of these routes."""
    for route in routes:
        pattern: URLPattern = route
        if hasattr(pattern.pattern, "_route") and pattern.resolve(urlsplit(path).path.removeprefix("/")):
            return pattern.callback.consumer_class  # type: ignore[attr-defined]  # what channels makes of a consumer
    return None


def hold(consumer: Any, frame: Mapping[str, Any]) -> None:
    """Fail the test if a consumer has sent a frame that it does not register, or in another shape."""
    if consumer is None:
        return
    checkers = _validators(consumer).get(frame["type"], [])
    assert checkers, f"{consumer.__name__} sent a frame that it does not register: {frame}"
    faults = [[error.message for error in checker.iter_errors(frame)] for checker in checkers]
    assert [] in faults, f"{consumer.__name__} sent {str(frame)[:300]}, which is not as registered: {str(faults)[:300]}"
