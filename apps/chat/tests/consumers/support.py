"""Somebody at a socket of a room."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from apps.common.tests.api import Client
from apps.common.tests.sockets import Socket, Sockets

type Opener = Callable[..., "Visit"]


@dataclass
class Visit:
    """A socket in a room.

    Args:
        client: Whoever has opened it, over HTTP.
        welcome: What it was welcomed with.
    """

    socket: Socket
    client: Client
    welcome: dict[str, Any]

    def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Send a frame and return its answer, which comes before anything else that it leads to."""
        self.socket.send({"type": kind, "ref": "r", **fields})
        while (frame := self.socket.receive()).get("ref") != "r":
            self.seen.append(frame)
        frame.pop("ref")
        return frame

    def __post_init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def hear(self, kind: str) -> dict[str, Any]:
        """Return the next frame of a kind, and pass over the others."""
        while True:
            frame = self.seen.pop(0) if self.seen else self.socket.receive()
            if frame["type"] == kind:
                return frame

    def closed(self) -> int:
        """Return the code with which the socket is closed, whatever is told before."""
        while (event := self.socket.take())["type"] != "websocket.close":
            self.seen.append(self.socket.read(event))
        code: int = event["code"]
        return code

    def hear_seqs(self, count: int) -> list[int]:
        """Return the numbers of the next so many things that happened."""
        return [self.hear_stored()["seq"] for _ in range(count)]

    def hear_stored(self) -> dict[str, Any]:
        """Return the next thing that happened in the room."""
        while True:
            frame = self.seen.pop(0) if self.seen else self.socket.receive()
            if frame["type"] in {"message", "message.edited", "message.deleted", "member", "room"}:
                return frame


def knock(sockets: Sockets, slug: str = "lamps", *, token: str | None = None, query: str = "") -> Socket:
    """Return a socket of a room that is open, and signed in if a token is given, whatever comes of it."""
    socket = sockets.knock(f"/ws/chat/{slug}/", query=query).open()
    if token is not None:
        socket.send({"type": "auth", "token": token})
    return socket


def enter(sockets: Sockets, client: Client, slug: str, query: str = "") -> Visit:
    """Return a socket of somebody in a room that has been welcomed."""
    socket = knock(sockets, slug, token=client.access, query=query)
    welcome = socket.receive()
    assert welcome["type"] == "welcome", welcome
    return Visit(socket, client, welcome)
