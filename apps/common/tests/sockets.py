"""A socket for tests that are not asynchronous themselves: the real application, in an event loop beside the test."""

import asyncio
import json
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from threading import Thread
from typing import Any, Final, Self

from asgiref.testing import ApplicationCommunicator

from apps.common.tests.protocol import consumer_at, hold

PATIENCE: Final = 5


class Socket:
    """The other end of a socket.

    What it is not sent within PATIENCE fails the test, and so does a frame that its consumer does not register.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, application: Any, scope: dict[str, Any], consumer: Any = None
    ) -> None:
        self._loop = loop
        self._consumer = consumer
        self._reads = asyncio.Event()
        self._reads.set()

        async def answered(scope: Any, receive: Any, send: Any) -> None:
            async def send_to_reader(event: Any) -> None:
                await self._reads.wait()
                await send(event)

            await application(scope, receive, send_to_reader)

        self._communicator: Any = ApplicationCommunicator(answered, scope)  # type: ignore[no-untyped-call]  # asgiref's

    def open(self) -> Self:
        """Knock, and be let in."""
        self.put({"type": "websocket.connect"})
        assert self.take()["type"] == "websocket.accept"
        return self

    def send(self, frame: Any) -> None:
        """Send a frame: as JSON, or a text as it is."""
        self.put({"type": "websocket.receive", "text": frame if isinstance(frame, str) else json.dumps(frame)})

    def receive(self) -> dict[str, Any]:
        """Return the next frame, without the id of what it answers or of what led to it."""
        return self.read(self.take())

    def read(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return the frame of an event, which must be one that the consumer registers."""
        assert event["type"] == "websocket.send", event
        frame: dict[str, Any] = json.loads(event["text"])
        hold(self._consumer, frame)
        frame.pop("request_id", None)
        return frame

    def ask(self, frame: Any) -> dict[str, Any]:
        """Send a frame and return the next one that comes."""
        self.send(frame)
        return self.receive()

    def closed(self) -> int:
        """Return the code with which the socket is closed next."""
        event = self.take()
        assert event["type"] == "websocket.close", event
        code: int = event.get("code", 1000)
        return code

    def is_quiet(self) -> bool:
        """Tell whether nothing comes for a moment."""
        return bool(self._wait(self._communicator.receive_nothing()))

    def put(self, event: dict[str, Any]) -> None:
        """Hand the application an event of ASGI."""
        self._wait(self._communicator.send_input(event))

    def take(self) -> dict[str, Any]:
        """Return the next event of ASGI from the application."""
        event: dict[str, Any] = self._wait(self._communicator.receive_output(PATIENCE))
        return event

    def stop_reading(self) -> None:
        """Take nothing any more: what the application sends next waits for good."""
        self._loop.call_soon_threadsafe(self._reads.clear)

    def read_again(self) -> None:
        """Take what waits, and what follows."""
        self._loop.call_soon_threadsafe(self._reads.set)

    def has_ended(self) -> bool:
        """Tell whether the application ends by itself."""
        self._wait(self._communicator.wait(PATIENCE))
        return True

    def leave(self) -> None:
        """Go away, and wait until the application has ended."""
        self.put({"type": "websocket.disconnect", "code": 1000})
        self._wait(self._communicator.wait(PATIENCE))

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(2 * PATIENCE)


class Sockets:
    """Opens sockets at an application, and ends them with the test."""

    def __init__(self, loop: asyncio.AbstractEventLoop, application: Any, routes: Sequence[Any]) -> None:
        self._loop = loop
        self._application = application
        self._routes = routes
        self._sockets: list[Socket] = []

    def knock(
        self,
        path: str,
        *,
        query: str = "",
        subprotocols: Sequence[str] = (),
        origin: str | None = None,
        client: tuple[str, int] = ("127.0.0.1", 0),
        forwarded: str = "",
        application: Any = None,
    ) -> Socket:
        """Return a socket that is not open yet."""
        scope = {
            "type": "websocket",
            "path": path,
            "query_string": query.encode(),
            "client": client,
            "headers": [
                *([] if origin is None else [(b"origin", origin.encode())]),
                *([(b"x-forwarded-for", forwarded.encode())] if forwarded else []),
            ],
            "subprotocols": list(subprotocols),
        }
        consumer = consumer_at(path, self._routes)
        socket = Socket(self._loop, application or self._application, scope, consumer)
        self._sockets.append(socket)
        return socket

    def __call__(self, path: str, token: str, **options: Any) -> Socket:
        """Return a socket that is signed in and welcomed."""
        socket = self.knock(path, **options).open()
        assert socket.ask({"type": "auth", "token": token})["type"] == "welcome"
        return socket

    def end(self) -> None:
        for socket in self._sockets:
            socket.leave()


@contextmanager
def sockets_of(application: Any, routes: Sequence[Any]) -> Iterator[Sockets]:
    """Give a way to open sockets at an application, which has these routes, until the end of the block."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    sockets = Sockets(loop, application, routes)
    try:
        yield sockets
        sockets.end()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
