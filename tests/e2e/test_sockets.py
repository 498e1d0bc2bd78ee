"""What a client sees of sockets: over a real connection, from a real server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from apps.users.tests.factories import PASSWORD, UserFactory
from infrastructure import realtime
from tests.e2e.servers import PATIENCE, Server

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("database")]

_SPEAKING: Final = "/ws/speaking/"


@pytest.fixture
def token(socket_server: Server) -> str:
    """An access token of a new user."""
    body = {"email": UserFactory.create().email, "password": PASSWORD}
    return str(socket_server.send("POST", "/api/v1/auth/login/", json=body).json()["access"])


def _open(server: Server, path: str, **options: Any) -> ClientConnection:
    socket: ClientConnection = connect(f"ws://127.0.0.1:{server.port}{path}", proxy=None, close_timeout=1, **options)
    return socket


@pytest.fixture
def socket(socket_server: Server, token: str) -> Iterator[ClientConnection]:
    """A socket at which the user is signed in."""
    with _open(socket_server, _SPEAKING) as socket:
        assert _ask(socket, {"type": "auth", "token": token})["type"] == "welcome"
        yield socket


def _receive(socket: ClientConnection) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(socket.recv(timeout=PATIENCE))
    return frame


def _ask(socket: ClientConnection, frame: dict[str, Any]) -> dict[str, Any]:
    socket.send(json.dumps(frame))
    return _receive(socket)


def _closed(socket: ClientConnection) -> int:
    """Return the code with which the server closes the socket, having sent nothing before."""
    with pytest.raises(ConnectionClosed) as caught:
        socket.recv(timeout=PATIENCE)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code


@pytest.mark.parametrize("path", ["/ws/nowhere/", "/", "/api/v1/auth/me/"])
def test_an_unknown_address_is_accepted_and_closed_with_its_code(socket_server: Server, path: str) -> None:
    with _open(socket_server, path) as socket:
        assert _closed(socket) == 4404


@pytest.mark.parametrize("path", [_SPEAKING, "/ws/nowhere/"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_a_foreign_page_is_refused_with_403(socket_server: Server, path: str, origin: str) -> None:
    with pytest.raises(InvalidStatus) as caught:
        _open(socket_server, path, origin=Origin(origin))

    assert caught.value.response.status_code == 403


def test_an_allowed_page_signs_in_with_its_first_frame(socket_server: Server, token: str) -> None:
    with _open(socket_server, _SPEAKING, origin=Origin("https://app.example.com")) as socket:
        assert _ask(socket, {"type": "auth", "token": token})["type"] == "welcome"
        assert _ask(socket, {"type": "say", "text": "ha", "times": 2, "ref": "1"})["said"] == "haha"


def test_a_token_among_the_subprotocols_signs_in_and_stands_in_no_log(
    socket_server: Server, token: str, logs: Path
) -> None:
    offered = [Subprotocol("layerline.v1"), Subprotocol(f"bearer.{token}")]

    with _open(socket_server, _SPEAKING, subprotocols=offered) as socket:
        assert socket.subprotocol == "layerline.v1"
        assert _receive(socket)["type"] == "welcome"

    assert token not in (logs / "sockets.log").read_text(encoding="utf-8")


def test_a_ticket_in_the_address_signs_in_once_and_stands_in_no_log(
    socket_server: Server, token: str, logs: Path
) -> None:
    ticket = socket_server.send("POST", "/api/v1/auth/ticket/", token=token).json()["ticket"]

    with _open(socket_server, f"{_SPEAKING}?ticket={ticket}") as socket:
        assert _receive(socket)["type"] == "welcome"
    with _open(socket_server, f"{_SPEAKING}?ticket={ticket}") as socket:
        assert _closed(socket) == 4401

    assert ticket not in (logs / "sockets.log").read_text(encoding="utf-8")


def test_a_bad_token_closes_the_socket(socket_server: Server, token: str) -> None:
    offered = [Subprotocol("layerline.v1"), Subprotocol(f"bearer.{token}x")]

    with _open(socket_server, _SPEAKING, subprotocols=offered) as socket:
        assert _closed(socket) == 4401


def test_a_bad_frame_leaves_the_socket_alive(socket: ClientConnection) -> None:
    socket.send("nonsense")

    assert _receive(socket)["code"] == "parse_error"
    assert _ask(socket, {"type": "ping"})["type"] == "pong"


def test_one_byte_more_than_64_kibibytes_closes_the_socket(socket: ClientConnection) -> None:
    socket.send("x" * (64 * 1024 + 1))

    assert _closed(socket) == 1009


def test_a_frame_of_64_kibibytes_is_read(socket: ClientConnection) -> None:
    socket.send("x" * 64 * 1024)

    assert _receive(socket)["code"] == "parse_error"


def test_a_logout_elsewhere_closes_the_socket(socket_server: Server, token: str) -> None:
    with _open(socket_server, _SPEAKING) as socket:
        assert _ask(socket, {"type": "auth", "token": token})["type"] == "welcome"

        assert socket_server.send("POST", "/api/v1/auth/logout-all/", token=token).status_code == 204

        assert _closed(socket) == 4401


def test_what_another_process_pushes_arrives(socket: ClientConnection) -> None:
    realtime.push("speakers", {"type": "news"})

    assert _receive(socket) == {"type": "news"}


def test_a_socket_that_breaks_off_leaves_no_fault_in_the_log(socket: ClientConnection, logs: Path) -> None:
    socket.send(json.dumps({"type": "say", "text": "ha"}))
    socket.socket.close()
    realtime.push("speakers", {"type": "news"})

    assert "Traceback" not in (logs / "sockets.log").read_text(encoding="utf-8")
