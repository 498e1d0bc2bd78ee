"""A real uvicorn with the frame protocol, and what strangers send to it."""

import re
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme

from infrastructure.realtime.outlets import FRAMES
from tests.infrastructure.queue.servers import wait_until
from tests.infrastructure.realtime.servers import (
    BINARY,
    CLOSE,
    HURRIED_PROTOCOL,
    PING,
    PONG,
    TEXT,
    HurriedProtocol,
    Served,
    Wire,
    frame,
)

pytestmark = pytest.mark.slow

LIMIT = 64 * 1024


@pytest.fixture(scope="module", params=[("httptools", "uvloop"), ("h11", "asyncio")], ids=" on ".join)
def server(request: pytest.FixtureRequest) -> Iterator[Served]:
    """A server with each of uvicorn's ways to read a handshake, and each of its event loops."""
    # More than the protocol's own limit, which holds whatever stands here; and compression, which it never offers.
    options = {"ws_max_size": 16 * 1024 * 1024, "ws_per_message_deflate": True}
    http, loop = request.param
    with Served(http=http, loop=loop, **options) as server:
        yield server
        assert "Traceback" not in server.said()


@pytest.fixture
def wire(server: Served) -> Iterator[Wire]:
    with Wire(server.port) as wire:
        yield wire


def _echoes(server: Served) -> bool:
    """Tell whether the server still serves others."""
    with Wire(server.port) as wire:
        wire.open("echo").say("still there")
        return wire.hear() == (TEXT, b"still there")


def test_texts_and_bytes_come_and_go(wire: Wire) -> None:
    wire.open("echo")

    wire.say("héllo")
    wire.say(b"\xff\x00", opcode=BINARY)

    assert wire.hear() == (TEXT, "héllo".encode())
    assert wire.hear() == (BINARY, b"\xff\x00")


def test_a_socket_may_be_written_to_in_whole_frames(wire: Wire) -> None:
    wire.open("extensions").say("?")

    assert FRAMES.encode() in wire.hear()[1]


@pytest.mark.parametrize("size", [0, 50, 60, 61, 62, 1_000, 32_766, 32_767, 70_000])
def test_whole_frames_of_any_size_arrive_as_they_were_written(wire: Wire, size: int) -> None:
    wire.open("written").say(f"2 {size}")

    assert wire.hear() == (TEXT, f"0 {'é' * size}".encode())
    assert wire.hear() == (TEXT, f"1 {'é' * size}".encode())
    assert wire.hear()[1].startswith(b"backlog ")


def test_nothing_is_written_behind_a_close_frame(wire: Wire) -> None:
    wire.open("farewell").say("4403")

    assert wire.hear() == (TEXT, b"before")
    assert wire.closed() == 4403
    wire.say((4403).to_bytes(2), opcode=CLOSE)
    assert wire.socket.recv(1) == b""


def test_a_close_frame_is_answered_and_ends_the_connection(wire: Wire) -> None:
    wire.open("echo").say((1000).to_bytes(2), opcode=CLOSE)

    assert wire.closed() == 1000
    assert wire.socket.recv(1) == b""


def test_a_message_in_fragments_is_one_message(wire: Wire) -> None:
    euro = "€".encode()
    wire.open("echo")

    wire.say(euro[:1], fin=False)
    wire.say(b"", opcode=PING)
    wire.say(euro[1:2], opcode=0, fin=False)
    wire.say(b"", opcode=0, fin=False)
    wire.say(euro[2:], opcode=0)

    assert wire.hear() == (PONG, b"")
    assert wire.hear() == (TEXT, euro)


def test_any_number_of_empty_fragments_is_no_message_and_takes_no_room(wire: Wire) -> None:
    wire.open("echo").say(b"a", fin=False)

    wire.send(frame(b"", opcode=0, fin=False) * 100_000)
    wire.say(b"b", opcode=0)

    assert wire.hear() == (TEXT, b"ab")


@pytest.mark.parametrize("fragments", [[b"\xff"], [b"\xe2\x82", b"("], [b"\xed\xa0\x80"], [b"ok", b"\xc3"]])
def test_what_is_no_utf_8_closes_with_1007_and_leaves_no_traceback(
    server: Served, wire: Wire, fragments: list[bytes]
) -> None:
    wire.open("echo")

    for number, fragment in enumerate(fragments):
        wire.say(fragment, opcode=0 if number else TEXT, fin=fragment is fragments[-1])

    assert wire.closed() == 1007
    assert wire.socket.recv(1) == b""
    assert "Traceback" not in server.said()


def test_bytes_may_be_no_utf_8(wire: Wire) -> None:
    wire.open("echo").say(b"\xff", opcode=BINARY)

    assert wire.hear() == (BINARY, b"\xff")


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_message_of_64_kibibytes_is_read(wire: Wire, opcode: int) -> None:
    wire.open("echo").say(b"x" * LIMIT, opcode=opcode)

    assert wire.hear() == (opcode, b"x" * LIMIT)


@pytest.mark.parametrize("size", [LIMIT + 1, 1_000_000, 20_000_000])
def test_a_larger_message_closes_with_1009_which_whoever_sent_it_can_read(wire: Wire, size: int) -> None:
    wire.open("echo").say(b"x" * size)

    assert wire.closed() == 1009


def test_a_message_that_grows_beyond_64_kibibytes_in_fragments_closes_with_1009(wire: Wire) -> None:
    wire.open("echo").say(b"x" * LIMIT, fin=False)

    wire.say(b"x", opcode=0)

    assert wire.closed() == 1009


@pytest.mark.parametrize(
    "data",
    [
        b"\x81\x01a",  # not masked
        b"\xc1\x81\x01\x02\x03\x04a",  # a reserved bit
        b"\x83\x80\x01\x02\x03\x04",  # an opcode that is none
        frame(b"x" * 126, opcode=PING),
        frame(b"", opcode=PING, fin=False),
        frame(b"a", opcode=0),
        frame(b"\x03", opcode=CLOSE),
    ],
)
def test_what_is_no_frame_closes_with_1002(wire: Wire, data: bytes) -> None:
    wire.open("echo").send(data)

    assert wire.closed() == 1002
    assert wire.socket.recv(1) == b""


def test_what_follows_bad_frames_is_not_answered(server: Served, wire: Wire) -> None:
    wire.open("echo").send(frame(b"\xff") + frame(b"\xff") + frame(b"a"))

    assert wire.closed() == 1007
    assert wire.has_ended()
    assert _echoes(server)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (("X-Header: \x1b[31m",), 400),
        (("X-Header: a\x01b",), 400),
        (("X-Header: " + "x" * LIMIT,), 431),
        (tuple(f"X-Header-{number}: {'x' * 500}" for number in range(128)), 431),
        (("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",), 400),
        (("Origin: a", "Origin: b"), 400),
    ],
)
def test_every_handshake_is_answered(server: Served, wire: Wire, headers: tuple[str, ...], status: int) -> None:
    wire.knock("echo", *headers)

    assert wire.answer().startswith(f"HTTP/1.1 {status} ".encode())
    assert wire.has_ended()
    assert _echoes(server)


@pytest.mark.parametrize("path", ["echo?\xff", "\xff", "echo?" + "x" * LIMIT])
def test_a_handshake_with_a_strange_address_is_answered(server: Served, wire: Wire, path: str) -> None:
    wire.knock(path)

    assert wire.answer().startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 414 "))
    assert wire.has_ended()
    assert _echoes(server)


def test_headers_outside_of_ascii_are_no_reason_to_refuse(wire: Wire) -> None:
    wire.open("echo", "X-Header: \xe9")


def test_compression_is_not_agreed_to(wire: Wire) -> None:
    wire.knock("echo", "Sec-WebSocket-Extensions: permessage-deflate")

    assert b"sec-websocket-extensions" not in wire.answer().lower()


def test_frames_that_come_before_the_answer_are_read_after_it(wire: Wire) -> None:
    wire.knock("slowly")
    time.sleep(0.1)
    wire.say("early")

    assert wire.answer().startswith(b"HTTP/1.1 101 ")
    assert wire.hear() == (TEXT, b"early")


@pytest.mark.parametrize("data", [b"\x81\x01a", frame(b"\xff"), frame(b"x" * (LIMIT + 1))])
def test_bad_frames_that_come_before_the_answer_are_refused(server: Served, wire: Wire, data: bytes) -> None:
    wire.knock("slowly")
    time.sleep(0.1)
    wire.send(data)

    assert wire.answer().startswith(b"HTTP/1.1 400 ")
    assert wire.has_ended()
    time.sleep(0.4)
    assert "Traceback" not in server.said()


def test_many_small_messages_at_once_are_all_answered_in_order(wire: Wire) -> None:
    wire.open("echo").send(b"".join(frame(str(number).encode()) for number in range(5_000)))

    assert [wire.hear()[1] for _ in range(5_000)] == [str(number).encode() for number in range(5_000)]


def test_whoever_asks_for_answers_and_reads_none_is_cut_off(server: Served, wire: Wire) -> None:
    wire.open("echo")

    with pytest.raises(ConnectionError):
        wire.send(frame(b"x" * 125, opcode=PING) * 500_000)

    assert _echoes(server)


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """A folder with a certificate of this machine, and its key."""
    certificate = trustme.CA().issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    return tmp_path


def test_over_tls_whoever_breaks_the_protocol_is_told_too(certificates: Path) -> None:
    files = {"ssl_certfile": certificates / "cert.pem", "ssl_keyfile": certificates / "key.pem"}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with ExitStack() as stack:
        server = stack.enter_context(Served(ws=HURRIED_PROTOCOL, **files))
        plain = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=5))
        with Wire(over=context.wrap_socket(plain)) as wire:
            wire.open("written").say("1 3")
            assert wire.hear() == (TEXT, "0 ééé".encode())
            assert wire.hear()[0] == TEXT
            wire.say(b"\xff")
            assert wire.closed() == 1007
            assert wire.has_ended()
        assert "Traceback" not in server.said()


def test_a_socket_of_the_file_system_serves_as_well(tmp_path: Path) -> None:
    path = str(tmp_path / "server.sock")
    with Served(uds=path), socket.socket(socket.AF_UNIX) as plain:
        plain.settimeout(5)
        plain.connect(path)
        wire = Wire(over=plain).open("echo")
        wire.say("a")
        assert wire.hear() == (TEXT, b"a")


def test_whoever_does_not_answer_a_ping_is_closed_and_cut_off_if_he_does_not_even_read() -> None:
    with (
        Served(ws=HURRIED_PROTOCOL, ws_ping_interval=0.2, ws_ping_timeout=0.2) as server,
        Wire(server.port) as wire,
        Wire(server.port) as deaf,
    ):
        deaf.open("written").say("40 3000")
        wire.open("echo")

        assert wire.hear()[0] == PING
        assert wire.closed() == 1011
        assert wire.has_ended()
        assert server.server.server_state.connections
        wait_until(lambda: not server.server.server_state.connections, seconds=HurriedProtocol.seconds_to_leave + 2)


def test_a_server_that_stops_says_so_and_waits_for_nobody_for_long() -> None:
    with ExitStack() as stack:
        server = stack.enter_context(Served(ws=HURRIED_PROTOCOL))
        wire, deaf, leaving = (stack.enter_context(Wire(server.port)) for _ in range(3))
        deaf.open("written").say("100 3000")
        leaving.open("written").say("100 3000")
        leaving.say((1000).to_bytes(2), opcode=CLOSE)
        wire.open("echo").say("a")
        assert wire.hear() == (TEXT, b"a")

        started = time.monotonic()
        server.stop()

        assert time.monotonic() - started < HurriedProtocol.seconds_to_leave + 2
        opcode, payload = wire.hear()
        assert (opcode, payload[:2]) == (CLOSE, (1012).to_bytes(2))
        assert re.fullmatch(b"retry=([1-9]|10)", payload[2:])
        assert "Traceback" not in server.said()
