from typing import Any

from channels.consumer import SyncConsumer
from channels.db import database_sync_to_async
from channels.exceptions import DenyConnection
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.contrib.auth.models import Group

from tests.layerline.flow.slices.shelf.selectors import ShelfSelector
from tests.layerline.flow.slices.shelf.services import ShelfService


class ShelfConsumer(AsyncJsonWebsocketConsumer):
    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        match content:
            case "ask":
                await database_sync_to_async(ShelfSelector.names)()
            case "add":
                await database_sync_to_async(ShelfService.add)(name="from a socket")
            case "count":
                await database_sync_to_async(Group.objects.count)()
            case "stream":
                counts = [count async for count in ShelfSelector.stream_to_sockets()]
                await self.send_json(counts)
                return
        await self.send_json("done")


class OrderConsumer(AsyncJsonWebsocketConsumer):
    """Takes orders, and tells everybody of changes."""

    groups = ["shelf"]

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        match content["type"]:
            case "order":
                await database_sync_to_async(ShelfService.order_and_tell)(name="ordered by a socket")
                await self.send_json({"type": "ack", "secret": "not to be shown"})
            case "fail":
                await database_sync_to_async(ShelfService.fail)()
            case "offered":
                await self.send_json({"type": next(iter(self.scope["subprotocols"]))})
            case "leave":
                await self.close(code=4403)

    async def shelf_changed(self, event: Any) -> None:
        await self.send_json(event)


class RefusingConsumer(AsyncJsonWebsocketConsumer):
    async def connect(self) -> None:
        raise DenyConnection


class SyncShelfConsumer(SyncConsumer):
    def count(self, message: Any) -> None:
        Group.objects.count()
        self.send({"type": "done"})

    def ask(self, message: Any) -> None:
        ShelfSelector.names()
        self.send({"type": "done"})
