"""A real uvicorn, and clients that speak to it byte by byte."""

import logging
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from threading import Thread
from typing import Any, Final, Self

import uvicorn

from infrastructure.realtime.protocol import FrameProtocol
from tests.infrastructure.queue.servers import free_port, wait_until

FRAME_PROTOCOL: Final = "infrastructure.realtime.protocol:FrameProtocol"
HURRIED_PROTOCOL: Final = "tests.infrastructure.realtime.servers:HurriedProtocol"
TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
# Seconds that a client waits for anything.
PATIENCE: Final = 5.0
_MASK: Final = b"\x01\x02\x03\x04"
_HEADERS: Final = (
    "Host: localhost",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
)


_APPLICATION: Final = "tests.infrastructure.realtime.applications:application"


class HurriedProtocol(FrameProtocol):
    """Has little patience with whoever does not leave."""

    seconds_to_leave = 1.0


@dataclass(frozen=True)
class Process:
    """A server in a process of its own."""

    port: int
    pid: int
    log: Path

    def said(self) -> str:
        """Return what it has written to its log."""
        return self.log.read_text(encoding="utf-8")


@contextmanager
def in_process(log: Path, *, protocol: str = FRAME_PROTOCOL) -> Iterator[Process]:
    """Serve the applications of these tests from a process, until the end of the block."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", _APPLICATION]
    command += [f"--port={port}", f"--ws={protocol}", "--no-use-colors", "--lifespan=off"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=dict(os.environ), stdout=output, stderr=output)
        try:
            wait_until(lambda: "Uvicorn running" in log.read_text(encoding="utf-8"), seconds=30)
            yield Process(port, process.pid, log)
        finally:
            process.terminate()
            process.wait(timeout=20)


class Served:
    """A server in a thread of this process, whose code is seen by what measures tests."""

    def __init__(self, **options: Any) -> None:
        self.port = free_port()
        settings: dict[str, Any] = {"ws": FRAME_PROTOCOL, "lifespan": "off", "log_config": None} | options
        self.server = uvicorn.Server(uvicorn.Config(_APPLICATION, port=self.port, **settings))
        self._thread = Thread(target=self.server.run)
        self._log = StringIO()
        self._handler = logging.StreamHandler(self._log)

    def __enter__(self) -> Self:
        logging.getLogger().addHandler(self._handler)
        self._thread.start()
        wait_until(lambda: self.server.started)
        return self

    def stop(self) -> None:
        """End it, as a signal would."""
        self.server.should_exit = True
        self._thread.join(timeout=20)

    def __exit__(self, *_: object) -> None:
        self.stop()
        logging.getLogger().removeHandler(self._handler)

    def said(self) -> str:
        """Return what was written to the log meanwhile."""
        return self._log.getvalue()


class Wire:
    """One connection, over which a test sends what bytes it likes."""

    def __init__(self, port: int = 0, *, over: socket.socket | None = None) -> None:
        self.socket = over or socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._read = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def knock(self, path: str, *headers: str) -> None:
        """Send a handshake, with headers besides its own."""
        self.send("\r\n".join((f"GET /{path} HTTP/1.1", *_HEADERS, *headers, "", "")).encode("latin-1"))

    def open(self, path: str, *headers: str) -> Self:
        """Send a handshake, and be let in."""
        self.knock(path, *headers)
        assert self.answer().startswith(b"HTTP/1.1 101 ")
        return self

    def answer(self) -> bytes:
        """Return the head of the answer to a handshake."""
        while b"\r\n\r\n" not in self._read:
            self._read += self._more()
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        return head

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def say(self, payload: bytes | str, *, opcode: int = TEXT, fin: bool = True) -> None:
        """Send one frame."""
        self.send(frame(payload if isinstance(payload, bytes) else payload.encode(), opcode=opcode, fin=fin))

    def hear(self) -> tuple[int, bytes]:
        """Return the opcode and the payload of the next frame, which is whole and not masked."""
        first, size = self._take(2)
        assert first & 0x70 == 0
        assert first & 0x80
        if size >= 126:
            size = int.from_bytes(self._take(2 if size == 126 else 8))
        return first & 0x0F, self._take(size)

    def closed(self) -> int:
        """Return the code of the close frame that comes next."""
        opcode, payload = self.hear()
        assert opcode == CLOSE, (opcode, payload)
        return int(struct.unpack("!H", payload[:2])[0])

    def has_ended(self) -> bool:
        """Tell whether the server ends the connection, after whatever it still sends."""
        try:
            while self.socket.recv(65_536):
                pass
        except ConnectionError:
            return True
        return True

    def _take(self, size: int) -> bytes:
        while len(self._read) < size:
            self._read += self._more()
        data, self._read = self._read[:size], self._read[size:]
        return data

    def _more(self) -> bytes:
        data = self.socket.recv(65_536)
        assert data, f"the connection ended after {self._read!r}"
        return data


def frame(payload: bytes, *, opcode: int = TEXT, fin: bool = True) -> bytes:
    """Return a frame of a client."""
    size = len(payload)
    head = bytes([0x80 * fin | opcode])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65_536:
        head += bytes([0x80 | 126]) + size.to_bytes(2)
    else:
        head += bytes([0x80 | 127]) + size.to_bytes(8)
    mask = (_MASK * (size // 4 + 1))[:size]
    masked = (int.from_bytes(payload) ^ int.from_bytes(mask)).to_bytes(size) if size else b""
    return head + _MASK + masked
