import asyncio
from typing import Any

from asgiref.testing import ApplicationCommunicator

from apps.common.consumers import UnknownSocketConsumer


async def _knock(path: str) -> list[dict[str, Any]]:
    scope = {"type": "websocket", "path": path, "query_string": b"", "headers": [], "subprotocols": []}
    socket: Any = ApplicationCommunicator(UnknownSocketConsumer.as_asgi(), scope)  # type: ignore[no-untyped-call]  # asgiref's
    await socket.send_input({"type": "websocket.connect"})
    sent = [await socket.receive_output(), await socket.receive_output()]
    assert await socket.receive_nothing()
    await socket.send_input({"type": "websocket.disconnect", "code": 4404})
    await socket.wait()
    return sent


def test_a_socket_at_an_unknown_address_is_accepted_and_then_closed_with_its_code() -> None:
    accepted, closed = asyncio.run(_knock("/ws/nowhere/"))

    assert accepted["type"] == "websocket.accept"
    assert (closed["type"], closed["code"]) == ("websocket.close", 4404)
