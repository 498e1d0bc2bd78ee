"""A socket to the project's own ASGI application, in this process, without a server."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from asgiref.sync import async_to_sync
from asgiref.testing import ApplicationCommunicator
from channels.routing import get_default_application

from layerline.flow.recorder import Recorder
from layerline.flow.words import title

# Seconds that a consumer has to deal with one event.
PATIENCE: Final = 5.0
# After this much silence whatever came back through the channel layer has come.
_SILENCE: Final = 0.03


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a socket.

    Args:
        status: `open`, if it was until it was closed here; else how it ended.
        opening: How many trees of the recording belong to its opening.
        size: Bytes sent to the client.
        took: Milliseconds until it was open, or refused.
    """

    status: str
    opening: int
    size: int
    took: float


def talk(path: str, *, texts: list[str], headers: Mapping[str, str], recorder: Recorder) -> Outcome:
    """Open a socket, send the texts and close it."""
    return async_to_sync(_talk)(path, texts, headers, recorder)


async def _talk(path: str, texts: list[str], headers: Mapping[str, str], recorder: Recorder) -> Outcome:
    socket = _Socket(path, headers, recorder)
    recorder.begin()
    await socket.send({"type": "websocket.connect"})
    opening = len(recorder.roots)
    took = max((node.start + node.took for node in recorder.roots), default=recorder.elapsed())
    for text in texts:
        if socket.is_open():
            await socket.send({"type": "websocket.receive", "text": text})
    status = socket.status()
    await socket.end()
    return Outcome(status, opening, socket.size, took)


class _Socket:
    def __init__(self, path: str, headers: Mapping[str, str], recorder: Recorder) -> None:
        address = urlsplit(path)
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": unquote(address.path),
            "raw_path": address.path.encode(),
            "query_string": address.query.encode(),
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "subprotocols": _subprotocols(headers),
            "client": ("127.0.0.1", 0),
            "server": ("localhost", 80),
            "extensions": {"websocket.http.response": {}},
        }
        communicate: Any = ApplicationCommunicator
        self._communicator = communicate(get_default_application(), scope)
        self._recorder = recorder
        self._accepted = False
        self._ended = ""
        self.size = 0

    def is_open(self) -> bool:
        return self._accepted and not self._ended

    def status(self) -> str:
        return self._ended or ("open" if self._accepted else "unanswered")

    async def send(self, event: dict[str, Any]) -> None:
        """Send an event, and wait until it is dealt with."""
        recorder, dealt_with = self._recorder, len(self._recorder.roots)
        give_up = _now() + PATIENCE
        await self._communicator.send_input(event)
        while _now() < give_up and not self._communicator.future.done():
            events = recorder.events
            await asyncio.sleep(_SILENCE)
            if len(recorder.roots) > dealt_with and recorder.events == events and not recorder.running():
                break
        self._read()
        self._see_end()

    async def end(self) -> None:
        """Close the socket if it is open, and let the consumer end."""
        if not self._communicator.future.done():
            await self.send({"type": "websocket.disconnect", "code": 1000})
        if not self._communicator.future.done():
            self._communicator.future.cancel()
        await asyncio.wait([self._communicator.future])

    def _read(self) -> None:
        """Look at what the consumer has sent."""
        queue = self._communicator.output_queue
        while not queue.empty():
            self._see(queue.get_nowait())

    def _see(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "websocket.accept":
                self._accepted = True
            case "websocket.close" if self._accepted:
                self._ended = f"{event.get('code', 1000)} closed"
            case "websocket.close":
                self._ended = "403 Forbidden"
            case "websocket.http.response.start":
                self._ended = f"{event['status']} refused"
            case "websocket.send":
                self.size += len(event.get("bytes") or (event.get("text") or "").encode())

    def _see_end(self) -> None:
        future = self._communicator.future
        if future.done() and not future.cancelled() and future.exception() is not None:
            self._ended = f"1011 {title(future.exception())}"


def _now() -> float:
    return asyncio.get_running_loop().time()


def _subprotocols(headers: Mapping[str, str]) -> list[str]:
    offered = next((value for name, value in headers.items() if name.lower() == "sec-websocket-protocol"), "")
    return [word for word in re.split(r"[,\s]+", offered) if word]
