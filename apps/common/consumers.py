from channels.generic.websocket import AsyncWebsocketConsumer


class UnknownSocketConsumer(AsyncWebsocketConsumer):
    """Answers a socket at an address that does not exist.

    Accepted first: a refused handshake reaches the client as HTTP 403, a close code never.
    """

    async def connect(self) -> None:
        await self.accept()
        await self.close(code=4404)
