from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path

from tests.layerline.flow.slices.shelf.consumers import OrderConsumer, RefusingConsumer

route: Any = path  # of views only, as the stubs have it

application = ProtocolTypeRouter(
    {
        "websocket": URLRouter(
            [route("ws/shelf/", OrderConsumer.as_asgi()), route("ws/refused/", RefusingConsumer.as_asgi())]
        )
    }
)
