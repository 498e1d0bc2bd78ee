"""What a client meets at the door of a deployment: the real proxy before the real servers."""

import json
import socket
import ssl
from typing import Any, Final

import pytest

from tests.rehearsal.stack import HOST, Stack

_SECURITY: Final = {
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def _raw(stack: Stack, text: bytes) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of what is answered to bytes that no library would send."""
    with (
        socket.create_connection(("127.0.0.1", stack.https), timeout=10) as plain,
        stack.tls().wrap_socket(plain, server_hostname=HOST) as sent,
    ):
        sent.sendall(text)
        answer = b""
        try:
            while chunk := sent.recv(65_536):
                answer += chunk
        except (ConnectionResetError, ssl.SSLError):
            pass
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        assert name not in headers, f"twice: {name}"
        headers[name] = value
    return int(first.split(" ")[1]), headers, body


def _ask(method: str = "GET", path: str = "/api/v1/auth/me/", *headers: str, body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}", "Connection: close", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


# Every status that a client can meet: by the application, and by the proxy itself.
_ANSWERS: Final[dict[str, tuple[bytes, int, str]]] = {
    "a good answer": (_ask(path="/health/live/"), 200, ""),
    "not signed in": (_ask(), 401, "authentication_failed"),
    "unknown path": (_ask(path="/api/v1/nowhere/"), 404, "not_found"),
    "unknown verb": (_ask("POST"), 405, "method_not_allowed"),
    "not acceptable": (_ask("GET", "/api/v1/auth/me/", "Accept: text/html"), 406, "not_acceptable"),
    "wrong type": (
        _ask("POST", "/api/v1/auth/login/", "Content-Type: text/csv", body=b"a,b"),
        415,
        "unsupported_media_type",
    ),
    "no JSON": (
        _ask("POST", "/api/v1/auth/login/", "Content-Type: application/json", body=b"{"),
        400,
        "parse_error",
    ),
    "too large for the application": (
        _ask("POST", "/api/v1/auth/login/", "Content-Type: application/json", body=b" " * (2 * 1024 * 1024)),
        413,
        "payload_too_large",
    ),
    "too large for the proxy": (
        _ask("POST", "/api/v1/auth/login/", "Content-Type: application/json", "Content-Length: 7000000"),
        413,
        "payload_too_large",
    ),
    "address too long": (_ask(path="/api/v1/" + "a" * 9_000), 414, "uri_too_long"),
    "header too large": (_ask("GET", "/api/v1/auth/me/", f"X-Large: {'a' * 9_000}"), 431, "headers_too_large"),
    "broken request": (b"GET /api/v1/auth/me/ HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n", 400, "bad_request"),
    "inside only": (_ask(path="/metrics"), 404, "not_found"),
    "the admin site": (_ask(path="/admin/login/"), 200, ""),
    "a file": (_ask(path="/static/admin/css/base.css"), 200, ""),
    "no such file": (_ask(path="/static/nowhere.css"), 404, "not_found"),
}


@pytest.mark.parametrize("kind", _ANSWERS)
def test_every_status_has_the_security_headers_once_and_errors_are_problems(stack: Stack, kind: str) -> None:
    request, expected, code = _ANSWERS[kind]

    status, headers, body = _raw(stack, request)

    assert status == expected
    assert {name: headers.get(name) for name in _SECURITY} == _SECURITY
    assert "default-src" in headers["Content-Security-Policy"]
    assert "nginx/" not in headers.get("Server", "")
    if code:
        assert headers["Content-Type"] == "application/problem+json"
        problem = json.loads(body)
        assert (problem["code"], problem["status"]) == (code, expected)
        assert problem["request_id"] == headers["X-Request-ID"]
        assert problem["type"] == f"/api/problems/#{code}"


@pytest.mark.parametrize(
    ("given", "is_kept"), [("mine-1", True), ("a b", False), ("x" * 129, False), ('"><script>', False)]
)
def test_a_request_id_is_kept_if_it_is_well_formed(stack: Stack, given: str, is_kept: bool) -> None:  # noqa: FBT001  # a parameter of the test
    response = stack.get("/api/v1/auth/me/", headers={"X-Request-ID": given})

    assert (response.headers["X-Request-ID"] == given) is is_kept
    assert response.json()["request_id"] == response.headers["X-Request-ID"]


def test_a_page_over_plain_http_is_led_to_tls(stack: Stack) -> None:
    with socket.create_connection(("127.0.0.1", stack.http), timeout=10) as plain:
        plain.sendall(f"GET /api/docs/?a=b HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        answer = plain.recv(65_536).decode()

    assert answer.startswith("HTTP/1.1 308")
    assert f"Location: https://{HOST}/api/docs/?a=b\r\n" in answer


def test_another_name_gets_no_answer_at_all(stack: Stack) -> None:
    with socket.create_connection(("127.0.0.1", stack.https), timeout=10) as plain, pytest.raises(ssl.SSLError):
        stack.tls().wrap_socket(plain, server_hostname="elsewhere.test")


def test_http_2_is_spoken(stack: Stack) -> None:
    context = stack.tls()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", stack.https), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as sent,
    ):
        assert sent.selected_alpn_protocol() == "h2"


def test_nobody_chooses_the_address_that_he_is_counted_by(stack: Stack) -> None:
    body = {"email": "nobody@rehearsal.test", "password": "not the one at all"}

    def answer(number: int) -> Any:
        claim = {"X-Forwarded-For": f"198.51.100.{number}", "Forwarded": f"for=198.51.100.{number}"}
        return stack.send("POST", "/api/v1/auth/login/", json=body, headers=claim)

    answers = [answer(number) for number in range(11)]

    assert [each.status_code for each in answers] == [401] * 10 + [429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60


def test_the_log_has_a_line_for_each_request_and_no_query_string(stack: Stack) -> None:
    stack.get("/api/v1/auth/me/?ticket=canary-in-the-query", headers={"Authorization": "Bearer canary-in-a-header"})

    log = (stack.folder / "nginx.log").read_text(encoding="utf-8")
    line = json.loads([line for line in log.splitlines() if '"/api/v1/auth/me/"' in line][-1])
    assert (line["method"], line["path"], line["status"]) == ("GET", "/api/v1/auth/me/", 401)
    everything = [log, *(program.log.read_text(encoding="utf-8") for program in stack.programs)]
    assert not [text for text in everything if "canary" in text]
