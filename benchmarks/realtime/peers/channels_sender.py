"""Sends each line of its input to the room over the channel layer that LAYER names."""

import asyncio
import sys
from typing import Any

from channels.layers import get_channel_layer

from benchmarks.realtime.peers import channels_room  # noqa: F401  # which configures Django


async def main() -> None:
    layer: Any = get_channel_layer()
    while line := await asyncio.to_thread(sys.stdin.readline):
        await layer.group_send("room", {"type": "room.message", "text": line.rstrip("\n")})


asyncio.run(main())
