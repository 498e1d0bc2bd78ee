"""HTTP in production: `gunicorn config.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application

from config import telemetry
from config.requests import TolerantWSGIRequest

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")

application = get_wsgi_application()
application.request_class = TolerantWSGIRequest
telemetry.start()
