import json
import math
import re
from collections.abc import Mapping
from typing import IO, Any, Final, NoReturn

from django.conf import settings
from django.http import UnreadablePostError
from rest_framework.exceptions import APIException, ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser, MultiPartParser

MAX_DEPTH: Final = 64
# The largest file, and room for what is around it.
UPLOAD_BYTES: Final = 5 * 1024 * 1024 + 16 * 1024
_INT64: Final = 2**63
_INT64_DIGITS: Final = 20
_BRACKETS: Final = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)
# A decoded string can hold these only through an escape, since UTF-8 and JSON both refuse them raw.
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


class PayloadTooLarge(APIException):  # named as DRF names its own
    status_code = 413
    default_detail = "The body is too large."
    default_code = "payload_too_large"


class StrictJSONParser(BaseParser):
    """JSON as RFC 8259 has it, and only what PostgreSQL can store: else a 400, never a 500.

    Python's own parser takes NaN, lone surrogates, endless integers and, until the stack ends, any depth.
    """

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the value that the body holds.

        Raises:
            PayloadTooLarge: If the body is larger than DATA_UPLOAD_MAX_MEMORY_SIZE.
            UnsupportedMediaType: If the body claims to be anything but JSON, or another character set than UTF-8.
            ParseError: If it is not the JSON it claims to be.
        """
        _require_json(media_type or self.media_type)
        try:
            body = stream.read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
        except UnreadablePostError:
            raise ParseError("The body broke off.") from None
        if len(body) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise PayloadTooLarge
        if len(body) < _stated_length(parser_context):
            raise ParseError("The body broke off.")
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError:
            raise ParseError("The body is not UTF-8.") from None
        return read_json(text)


def read_json(text: str) -> Any:
    """Return the value that a text holds.

    Raises:
        ParseError: If it is not JSON, or JSON that PostgreSQL cannot store.
    """
    _require_shallow(text)
    try:
        value = json.loads(
            text,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
            object_pairs_hook=_object,
        )
    except json.JSONDecodeError as error:
        raise ParseError(f"This is not JSON: {error.msg} (line {error.lineno}, column {error.colno}).") from None
    if "\\u" in text:
        _require_storable(value)
    return value


class StrictMultiPartParser(MultiPartParser):
    """A form with one file (RFC 7578), which is never larger than a file may be and holds each field once."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the fields and the file.

        Raises:
            PayloadTooLarge: If the body is larger than UPLOAD_BYTES.
            ParseError: If it is not the form it claims to be, breaks off or names a field twice.
        """
        if _stated_length(parser_context) > UPLOAD_BYTES:
            raise PayloadTooLarge
        try:
            parsed = super().parse(stream, media_type, parser_context)
        except UnreadablePostError:
            raise ParseError("The body broke off.") from None
        if any(len(values) > 1 for _, values in [*parsed.data.lists(), *parsed.files.lists()]):
            raise ParseError("The body names a field twice.")
        return parsed


def _require_json(content_type: str) -> None:
    media_type, *parameters = content_type.split(";")
    # DRF would also hand over `*/*`, which says nothing.
    if media_type.strip().lower() != StrictJSONParser.media_type:
        raise UnsupportedMediaType(content_type)
    for parameter in parameters:
        name, _, value = parameter.strip().partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in {"utf-8", "utf8"}:
            raise UnsupportedMediaType(content_type, detail="The body must be UTF-8.")


def _stated_length(parser_context: Mapping[str, Any] | None) -> int:
    """Return how long the client said the body is: a WSGI server hands over what came before the connection ended."""
    request = (parser_context or {}).get("request")
    return int(request.META.get("CONTENT_LENGTH") or 0) if request else 0


def _require_shallow(text: str) -> None:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    for token in _BRACKETS.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise ParseError(f"The JSON nests deeper than {MAX_DEPTH} levels.")
        elif token[0] in "]}":
            depth -= 1


def _integer(digits: str) -> int:
    if len(digits) <= _INT64_DIGITS and -_INT64 <= (number := int(digits)) < _INT64:
        return number
    raise ParseError("The JSON holds an integer of more than 64 bits.")


def _float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ParseError("The JSON holds a number that no 64-bit float can hold.")
    return number


def _constant(name: str) -> NoReturn:
    raise ParseError(f"The JSON holds {name}, which JSON does not know.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ParseError("The JSON names a field twice.")
    return result


def _require_storable(value: Any) -> None:
    if isinstance(value, str):
        if _UNSTORABLE.search(value):
            raise ParseError("The JSON holds NUL or half of a surrogate pair.")
    elif isinstance(value, dict):
        for key, item in value.items():
            _require_storable(key)
            _require_storable(item)
    elif isinstance(value, list):
        for item in value:
            _require_storable(item)
