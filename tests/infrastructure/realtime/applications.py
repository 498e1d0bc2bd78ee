"""What the servers of these tests serve: `uvicorn tests.infrastructure.realtime.applications:application`."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from infrastructure.realtime.frames import Prepared
from infrastructure.realtime.outlets import Outlet, outlet_of


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Serve each address by the function of that name."""
    if scope["type"] == "websocket":
        await _ADDRESSES[scope["path"].strip("/")](scope, receive, send)


async def _echo(scope: Any, receive: Any, send: Any) -> None:
    """Send each message back."""
    async for message in _opened(receive, send):
        await send({"type": "websocket.send", **{kind: message.get(kind) for kind in ("text", "bytes")}})


async def _slowly(scope: Any, receive: Any, send: Any) -> None:
    """Be open a moment after the handshake, and send each message back."""
    await asyncio.sleep(0.3)
    await _echo(scope, receive, send)


async def _extensions(scope: Any, receive: Any, send: Any) -> None:
    """Tell which extensions the server offers."""
    async for _ in _opened(receive, send):
        await send({"type": "websocket.send", "text": json.dumps(sorted(scope["extensions"]))})


async def _written(scope: Any, receive: Any, send: Any) -> None:
    """Write as many texts of so many characters as a message tells: `3 70000`."""
    outlet = outlet_of(scope, send, lambda: None)
    async for message in _opened(receive, send):
        count, size = map(int, message["text"].split())
        for number in range(count):
            outlet.write(Prepared(f"{number} {'é' * size}"))
        await outlet.drained()
        await send({"type": "websocket.send", "text": f"backlog {outlet.backlog}"})


async def _farewell(scope: Any, receive: Any, send: Any) -> None:
    """Close with the code that a message tells, writing before and after."""
    outlet = outlet_of(scope, send, lambda: None)
    async for message in _opened(receive, send):
        outlet.write(Prepared("before"))
        await send({"type": "websocket.close", "code": int(message["text"])})
        outlet.write(Prepared("after"))


_readers: set[Outlet] = set()


async def _crowd(scope: Any, receive: Any, send: Any) -> None:
    """Write to all who are here what one of them says, and close whoever falls behind."""

    def fall_behind() -> None:
        asyncio.get_running_loop().call_soon(closing.set)

    closing = asyncio.Event()
    outlet = outlet_of(scope, send, fall_behind)
    _readers.add(outlet)
    closer = asyncio.create_task(_close_when(closing, send))
    try:
        async for message in _opened(receive, send):
            prepared = Prepared(message["text"])
            for reader in tuple(_readers):
                reader.write(prepared)
    finally:
        closer.cancel()
        _readers.discard(outlet)


async def _close_when(closing: asyncio.Event, send: Any) -> None:
    await closing.wait()
    await send({"type": "websocket.close", "code": 4431})


async def _opened(receive: Any, send: Any) -> Any:
    """Open the socket, and give its messages until it is closed."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        yield message


_ADDRESSES: dict[str, Callable[[Any, Any, Any], Awaitable[None]]] = {
    "echo": _echo,
    "slowly": _slowly,
    "extensions": _extensions,
    "written": _written,
    "farewell": _farewell,
    "crowd": _crowd,
}
