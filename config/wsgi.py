"""HTTP in production: `gunicorn config.wsgi`."""

import os

from django.core.cache import close_caches
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections

from config import telemetry
from config.requests import TolerantWSGIRequest

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")

application = get_wsgi_application()
application.request_class = TolerantWSGIRequest
telemetry.start()

# The pool takes each connection back when its request is over, so at the next one there is none to close; and what the
# cache has open stays open.
request_started.disconnect(close_old_connections)
request_finished.disconnect(close_caches)
