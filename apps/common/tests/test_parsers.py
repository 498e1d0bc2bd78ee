import io
import json
from typing import Any

import pytest
from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.http import UnreadablePostError
from rest_framework.exceptions import APIException, ParseError
from rest_framework.request import Request
from rest_framework.test import APIClient

from apps.common.parsers import PayloadTooLarge, StrictJSONParser
from apps.common.requests import read_body
from apps.common.tests.support import send

ECHO = "/api/v1/echo/"
LIMIT = 1024 * 1024

pytestmark = pytest.mark.urls("apps.common.tests.support")


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


REFUSED = {
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": Infinity}',
    "minus Infinity": b'{"a": -Infinity}',
    "a float over 64 bits": b'{"a": 1e400}',
    "a negative float over 64 bits": b'{"a": -1e400}',
    "2^63": b'{"a": 9223372036854775808}',
    "-2^63 - 1": b'{"a": -9223372036854775809}',
    "2^64": b'{"a": 18446744073709551616}',
    "4,000 digits": b'{"a": ' + b"9" * 4_000 + b"}",
    "5,000 digits": b'{"a": -' + b"9" * 5_000 + b"}",
    "100,000 digits": b"[" + b"1" * 100_000 + b"]",
    "65 lists": nested(65),
    "65 objects": b'{"a":' * 65 + b"1" + b"}" * 65,
    "100,000 lists": nested(100_000),
    "lists never closed": b"[" * 100_000,
    "an escaped NUL": b'{"a": "\\u0000"}',
    "an escaped NUL in a key": b'{"\\u0000": 1}',
    "an escaped NUL in a list in an object": b'{"a": [{"b": ["x\\u0000y"]}]}',
    "a raw NUL": b'{"a": "\x00"}',
    "a raw NUL in a key": b'{"a\x00": 1}',
    "a raw line break in a string": b'{"a": "x\ny"}',
    "half of a surrogate pair": b'{"a": "\\ud800"}',
    "the other half": b'{"a": "\\uDFFF"}',
    "the halves in the wrong order": b'{"a": "\\udc00\\ud800"}',
    "half of a pair in a key": b'{"\\ud800": 1}',
    "a raw surrogate": b'{"a": "\xed\xa0\x80"}',
    "a raw surrogate in a key": b'{"\xed\xa0\x80": 1}',
    "a field named twice": b'{"role": "user", "role": "admin"}',
    "a field named twice by another spelling": b'{"role": "user", "\\u0072ole": "admin"}',
    "a field named twice further down": b'{"a": [{"b": 1, "b": 1}]}',
    "a byte order mark": b'\xef\xbb\xbf{"a": 1}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "UTF-16 without a mark": '{"a": 1}'.encode("utf-16-le"),
    "UTF-32": '{"a": 1}'.encode("utf-32"),
    "Latin-1": b'{"a": "\xe4"}',
    "an overlong slash": b'{"a": "\xc0\xaf"}',
    "a second value": b'{"a": 1} {"a": 2}',
    "rubbish behind the value": b'{"a": 1}x',
    "a NUL behind the value": b'{"a": 1}\x00',
    "spaces alone": b"   ",
    "a comma too much": b'{"a": 1,}',
    "single quotes": b"{'a': 1}",
    "a comment": b'{"a": 1} // one',
    "a plus sign": b'{"a": +1}',
    "a leading zero": b'{"a": 01}',
    "a hexadecimal number": b'{"a": 0x10}',
    "digits of another script": '{"a": \u0661}'.encode(),
    "no end of the object": b'{"a": 1',
    "no end of the string": b'{"a": "x',
    "a backslash at the end": b'{"a": "\\',
    "an unknown escape": b'{"a": "\\x41"}',
    "a form": b"a=1&b=2",
    "XML": b"<a>1</a>",
}

TAKEN: dict[str, tuple[bytes, Any]] = {
    "2^63 - 1": (b'{"a": 9223372036854775807}', {"a": 2**63 - 1}),
    "-2^63": (b'{"a": -9223372036854775808}', {"a": -(2**63)}),
    "the largest float": (b'{"a": 1.7976931348623157e308}', {"a": 1.7976931348623157e308}),
    "a float too small": (b'{"a": 1e-400}', {"a": 0.0}),
    "64 lists": (nested(64), json.loads(nested(64))),
    "64 lists, twice": (b'{"a": ' + nested(63) + b', "b": ' + nested(63) + b"}", None),
    "brackets in a string": (b'{"a": "' + b"[{" * 1_000 + b'"}', {"a": "[{" * 1_000}),
    "brackets behind an escaped quote": (b'{"a": "\\"' + b"[" * 100 + b'"}', {"a": '"' + "[" * 100}),
    "brackets behind an escaped backslash": (b'["\\\\", ' + nested(63) + b"]", ["\\", json.loads(nested(63))]),
    "many lists side by side": (b"[" + b",".join([b"[]"] * 1_000) + b"]", [[]] * 1_000),
    "a whole surrogate pair, escaped": (b'{"a": "\\ud83d\\ude00"}', {"a": "\U0001f600"}),
    "an emoji": ('{"\U0001f600": "\U0001f600"}'.encode(), {"\U0001f600": "\U0001f600"}),
    "an escaped backslash before u0000": (b'{"a": "\\\\u0000"}', {"a": "\\u0000"}),
    "names that differ in case": (b'{"a": 1, "A": 2}', {"a": 1, "A": 2}),
    "the same name in two objects": (b'[{"a": 1}, {"a": 2}]', [{"a": 1}, {"a": 2}]),
    "white space around": (b' \t\r\n{"a": 1}\n', {"a": 1}),
    "a list": (b"[1]", [1]),
    "a string": (b'"x"', "x"),
    "a number": (b"1", 1),
    "null": (b"null", None),
    "false": (b"false", False),
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED.keys())
def test_a_body_that_is_not_storable_json_is_refused(api: APIClient, body: bytes) -> None:
    response = send(api, "POST", ECHO, body)

    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "parse_error"
    assert "errors" not in response.json()


@pytest.mark.parametrize(("body", "value"), TAKEN.values(), ids=TAKEN.keys())
def test_a_body_at_the_edge_is_taken_as_it_is(api: APIClient, body: bytes, value: Any) -> None:
    response = send(api, "POST", ECHO, body)

    assert response.status_code == 200
    assert response.json()["body"] == (json.loads(body) if value is None else value)


def test_an_empty_body_is_an_empty_object(api: APIClient) -> None:
    response = send(api, "POST", ECHO, b"")

    assert (response.status_code, response.json()) == (200, {"body": {}})


@pytest.mark.parametrize("length", ["", "0", "abc"])
def test_a_body_of_no_stated_length_is_no_body(api: APIClient, length: str) -> None:
    response = send(api, "POST", ECHO, b'{"a": 1}', CONTENT_LENGTH=length)

    assert (response.status_code, response.json()) == (200, {"body": {}})


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        'application/json; charset="utf-8"',
        "application/json; charset = utf-8",
        "application/json; charset=utf8; version=1",
        "APPLICATION/JSON",
        "application/json; profile=x",
    ],
)
def test_json_in_utf8_is_taken_however_it_is_spelled(api: APIClient, content_type: str) -> None:
    response = send(api, "POST", ECHO, '{"a": "ä"}'.encode(), content_type=content_type)

    assert (response.status_code, response.json()) == (200, {"body": {"a": "ä"}})


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json; charset=utf-16",
        "application/json; charset=latin-1",
        "application/json; charset=klingon",
        "application/json; charset = klingon",
        "application/json; charset=",
        "application/json; charset=utf-8; charset=latin-1",
        "application/json; charset=rot13",
        "application/json; charset=undefined",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/merge-patch+json",
        "*/*",
        "application/*",
        "text/json",
        "text/plain",
        "json",
        ";;;",
        "a" * 20_000,
    ],
)
def test_another_type_or_character_set_is_refused(api: APIClient, content_type: str) -> None:
    response = send(api, "POST", ECHO, b'{"a": 1}', content_type=content_type)

    assert response.status_code == 415
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "unsupported_media_type"


def test_a_body_of_one_mebibyte_is_taken_and_one_byte_more_is_not(api: APIClient) -> None:
    fits = b'"' + b"x" * (LIMIT - 2) + b'"'

    taken = send(api, "POST", ECHO, fits)
    refused = send(api, "POST", ECHO, fits + b" ")

    assert settings.DATA_UPLOAD_MAX_MEMORY_SIZE == LIMIT
    assert (taken.status_code, len(taken.json()["body"])) == (200, LIMIT - 2)
    assert refused.status_code == 413
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["code"] == "payload_too_large"


class _Counting(io.BytesIO):
    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        body = super().read(size)
        self.taken += len(body)
        return body


def test_no_more_is_read_of_a_body_than_shows_that_it_is_too_large() -> None:
    stream = _Counting(b" " * LIMIT * 4)

    with pytest.raises(PayloadTooLarge):
        StrictJSONParser().parse(stream, "application/json")

    assert stream.taken == LIMIT + 1


class _BrokenOff(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        raise UnreadablePostError("the client went away")


def test_a_body_that_breaks_off_is_the_clients_fault() -> None:
    with pytest.raises(ParseError):
        StrictJSONParser().parse(_BrokenOff(), "application/json")


def test_a_body_that_is_shorter_than_its_stated_length_broke_off() -> None:
    environ = {
        "REQUEST_METHOD": "POST",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": "9",
        "wsgi.input": io.BytesIO(b'{"a": 1}'),
    }

    with pytest.raises(ParseError):
        read_body(Request(WSGIRequest(environ), parsers=[StrictJSONParser()]))


def test_a_refusal_tells_where_and_repeats_nothing_of_the_body() -> None:
    with pytest.raises(APIException) as refusal:
        StrictJSONParser().parse(io.BytesIO(b'{"password": "canary",\n oops}'), "application/json")

    assert "line 2, column 2" in str(refusal.value.detail)
    assert "canary" not in str(refusal.value.detail)
