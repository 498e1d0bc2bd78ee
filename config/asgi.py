"""Sockets in production, HTTP and sockets in local use: `uvicorn config.asgi:application`."""

import os

from channels.routing import ProtocolTypeRouter
from django.conf import settings
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

from config import telemetry
from config.requests import TolerantASGIRequest

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")

django_application = get_asgi_application()
django_application.request_class = TolerantASGIRequest

# Slices may be imported only now that Django is set up.
from config import routing  # noqa: E402  # see above

application = ProtocolTypeRouter(
    {
        # In production the proxy serves static files.
        "http": ASGIStaticFilesHandler(django_application) if settings.DEBUG else django_application,
        "websocket": routing.application,
    }
)
telemetry.start()
