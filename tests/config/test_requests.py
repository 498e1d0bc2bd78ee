import asyncio
import io
import json
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from asgiref.testing import ApplicationCommunicator

from config.asgi import application as asgi_application
from config.wsgi import application as wsgi_application

# A server looks after its connections around each request.
pytestmark = pytest.mark.django_db

UNREADABLE = ["application/json; x*=klingon''y", "application/json; charset*=klingon''utf-8", "a/b; c*=x-unknown'de'd"]
ODD_CHARACTER_SETS = ["rot13", "hex", "base64", "undefined", "idna", "utf-16", "klingon", "x" * 500]
LOGIN = "/api/v1/auth/login/"
SCHEMA = "/api/schema/"


def over_wsgi(method: str, path: str, query: str, content_type: str, body: bytes) -> tuple[int, str, bytes]:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "HTTP_HOST": "testserver",
    }
    setup_testing_defaults(environ)
    started: list[Any] = []
    start_response: Any = lambda *answer: started.append(answer)  # noqa: E731  # the protocol wants it to return a writer
    content = b"".join(wsgi_application(environ, start_response))
    status, headers = started[0]
    return int(status[:3]), dict(headers)["Content-Type"], content


def over_asgi(method: str, path: str, query: str, content_type: str, body: bytes) -> tuple[int, str, bytes]:
    return asyncio.run(_over_asgi(method, path, query, content_type, body))


async def _over_asgi(method: str, path: str, query: str, content_type: str, body: bytes) -> tuple[int, str, bytes]:
    headers = [
        (b"host", b"testserver"),
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": headers}
    server: Any = ApplicationCommunicator(asgi_application, scope)  # type: ignore[no-untyped-call]  # asgiref's
    await server.send_input({"type": "http.request", "body": body})
    start = await server.receive_output(timeout=10)
    content = await server.receive_output(timeout=10)
    await server.wait()
    return start["status"], dict(start["headers"])[b"Content-Type"].decode(), content["body"]


SERVERS = pytest.mark.parametrize("ask", [over_wsgi, over_asgi])


@SERVERS
@pytest.mark.parametrize("content_type", UNREADABLE)
def test_a_content_type_that_nobody_can_read_is_refused_as_unknown(ask: Any, content_type: str) -> None:
    status, answered, body = ask("POST", LOGIN, "", content_type, b"{}")

    assert (status, answered) == (415, "application/problem+json")
    assert json.loads(body)["code"] == "unsupported_media_type"


@SERVERS
@pytest.mark.parametrize("content_type", [*UNREADABLE, *(f"a/b; charset={name}" for name in ODD_CHARACTER_SETS)])
def test_a_request_without_a_body_may_carry_any_content_type(ask: Any, content_type: str) -> None:
    status, answered, _ = ask("GET", SCHEMA, "format=%6Ason", content_type, b"")

    assert (status, answered.partition(";")[0]) == (200, "application/vnd.oai.openapi+json")


@SERVERS
@pytest.mark.parametrize("name", ODD_CHARACTER_SETS)
def test_a_body_in_an_odd_character_set_is_refused(ask: Any, name: str) -> None:
    status, _, body = ask("POST", LOGIN, "a=%C3%A4", f"application/json; charset={name}", b"{}")

    assert (status, json.loads(body)["code"]) == (415, "unsupported_media_type")


@SERVERS
def test_an_ordinary_body_is_read(ask: Any) -> None:
    status, _, body = ask("POST", LOGIN, "", "application/json; charset=utf-8", b'{"email": "ada@example.com"}')

    assert status == 400
    assert [(error["field"], error["code"]) for error in json.loads(body)["errors"]] == [("password", "required")]


async def _knock(path: str) -> list[dict[str, Any]]:
    scope = {"type": "websocket", "path": path, "query_string": b"", "headers": [], "subprotocols": []}
    socket: Any = ApplicationCommunicator(asgi_application, scope)  # type: ignore[no-untyped-call]  # asgiref's
    await socket.send_input({"type": "websocket.connect"})
    sent = [await socket.receive_output(), await socket.receive_output()]
    await socket.send_input({"type": "websocket.disconnect", "code": 4404})
    await socket.wait()
    return sent


def test_a_socket_at_an_unknown_address_is_told_so() -> None:
    accepted, closed = asyncio.run(_knock("/ws/nowhere/"))

    assert accepted["type"] == "websocket.accept"
    assert (closed["type"], closed["code"]) == ("websocket.close", 4404)
