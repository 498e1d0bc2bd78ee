"""A room as the tutorial of Channels has it: `uvicorn benchmarks.realtime.peers.channels_room:application`.

LAYER names the channel layer, REDIS_URL and PREFIX its place.
"""

import os
from typing import Any

import django
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter
from django.conf import settings

settings.configure(
    SECRET_KEY="only for a benchmark",  # noqa: S106  # of a server that lives for minutes
    CHANNEL_LAYERS={
        "default": {
            "BACKEND": os.environ["LAYER"],
            "CONFIG": {"hosts": [os.environ["REDIS_URL"]], "prefix": os.environ["PREFIX"]},
        },
    },
)
django.setup()


class RoomConsumer(AsyncWebsocketConsumer):
    """Everybody in one room."""

    groups = ["room"]

    async def room_message(self, event: dict[str, Any]) -> None:
        """Send what was said in the room."""
        await self.send(text_data=event["text"])


application = ProtocolTypeRouter({"websocket": RoomConsumer.as_asgi()})
