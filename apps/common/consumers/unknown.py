from apps.common.consumers.base import BaseConsumer
from apps.common.enums import CloseCode


class UnknownSocketConsumer(BaseConsumer):
    """Answers a socket at an address that does not exist."""

    async def accepted(self) -> None:
        await self.close(CloseCode.NOT_FOUND)
