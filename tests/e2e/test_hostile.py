"""What no client of good will sends: each is refused as documented, at once, and nothing breaks."""

import json
import socket
from typing import Final

import pytest
import requests

from apps.users.models import Session
from apps.users.tests.factories import PASSWORD, AdminFactory, UserFactory
from apps.users.tests.support import signed_in
from tests.e2e.servers import PATIENCE, Server

pytestmark = pytest.mark.slow

_LOGIN: Final = "/api/v1/auth/login/"


def _problem(response: requests.Response) -> tuple[int, str]:
    assert response.headers["Content-Type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


def _raw(server: Server, *lines: bytes, body: bytes = b"", breaks_off: bool = False) -> bytes:
    """Send what no HTTP library would, and return all that comes back."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
        connection.sendall(b"\r\n".join([*lines, b"Host: 127.0.0.1", b"Connection: close", b"", body]))
        if breaks_off:
            connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


@pytest.mark.parametrize(
    "target",
    [
        "/api//v1/users/",
        "/api/v1/users/%00/",
        "/api/v1/%2e%2e/users/",
        "/api/v1/%ff%fe/",
        "/api/v1/%zz/",
        "/api/v1/%0d%0aX-Evil:%201/",
        "/api/v1/%1b[31m/",
        "/api/v1/users",
        "/api/v1/users/;a=b/",
        "/api/" + "a" * 3_000,
    ],
)
def test_an_odd_target_is_an_unknown_path(server: Server, target: str) -> None:
    answer = _raw(server, f"GET {target} HTTP/1.1".encode())

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 404 ")
    assert json.loads(body)["code"] == "not_found"
    assert b"X-Evil" not in head


@pytest.mark.parametrize("path", ["/api/v1/auth/me/", "/api/schema/", "/api/problems/", "/health/live/"])
@pytest.mark.parametrize("method", ["TRACE", "OPTIONS", "PROPFIND", "DELETE"])
def test_an_unknown_verb_is_told_which_ones_there_are(server: Server, path: str, method: str) -> None:
    answer = server.send(method, path)

    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]


@pytest.mark.usefixtures("database")
def test_more_parameters_than_are_read_are_a_broken_request(open_server: Server) -> None:
    token = signed_in(AdminFactory.create()).access
    path = "/api/v1/users/?" + "&".join(f"a{number}=1" for number in range(1_001))

    answer = open_server.send("GET", path, token=token)

    assert _problem(answer) == (400, "bad_request")


def test_the_form_of_an_answer_is_for_the_accept_header_to_ask(server: Server) -> None:
    assert _problem(server.send("GET", "/api/v1/auth/me/?format=xml")) == (401, "authentication_failed")
    assert _problem(server.send("GET", "/api/v1/auth/me/", headers={"Accept": "text/xml"})) == (406, "not_acceptable")


@pytest.mark.parametrize("version", ["%00", "a%0d%0aX-Evil:%201", "%22%3b%20filename=evil"])
def test_the_document_takes_no_header_from_its_address(server: Server, version: str) -> None:
    answer = server.send("GET", f"/api/schema/?version={version}")

    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"] == 'inline; filename="Layerline.yaml"'
    assert "X-Evil" not in answer.headers


@pytest.mark.usefixtures("database")
def test_a_body_that_breaks_off_opens_no_session(production_server: Server) -> None:
    user = UserFactory.create()
    body = json.dumps({"email": user.email, "password": PASSWORD}).encode()

    head = [f"POST {_LOGIN} HTTP/1.1".encode(), b"Content-Type: application/json", b"Content-Length: 500"]
    answer = _raw(production_server, *head, body=body, breaks_off=True)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "parse_error"
    assert not Session.objects.exists()


@pytest.mark.parametrize(
    "head",
    [
        [b"Content-Length: 2", b"Content-Length: 3"],
        [b"Content-Length: 2", b"Transfer-Encoding: chunked"],
        [b"Content-Length: -1"],
        [b"Content-Length: +2"],
        [b"Transfer-Encoding: gzip"],
        [b"X-Folded: a", b" b"],
        [b"X Spaced: a"],
        [b"X-Escape: \x1b[31m"],
    ],
)
def test_a_head_that_two_servers_may_read_in_two_ways_is_refused(server: Server, head: list[bytes]) -> None:
    answer = _raw(server, f"POST {_LOGIN} HTTP/1.1".encode(), *head, body=b"{}")

    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("content_type", ["*/*", "application/*", "text/plain", "application/json; charset=utf-16"])
def test_what_does_not_say_that_it_is_json_in_utf8_is_not_read(server: Server, content_type: str) -> None:
    answer = server.send(
        "POST", _LOGIN, data=b'{"email": "a", "password": "b"}', headers={"Content-Type": content_type}
    )

    assert _problem(answer) == (415, "unsupported_media_type")


@pytest.mark.parametrize("size", [1_048_577, 3_145_728])
def test_a_body_beyond_a_mebibyte_is_too_large(server: Server, size: int) -> None:
    answer = server.send("POST", _LOGIN, data=b" " * size, headers={"Content-Type": "application/json"})

    assert _problem(answer) == (413, "payload_too_large")


def test_a_mebibyte_of_unknown_fields_gets_a_short_answer(server: Server) -> None:
    answer = server.send("POST", _LOGIN, json={str(number): 1 for number in range(60_000)})

    assert _problem(answer) == (400, "validation_error")
    assert len(answer.content) < 10_000
    assert answer.elapsed.total_seconds() < 2
