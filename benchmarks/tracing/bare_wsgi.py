"""`config.wsgi` without the line that could begin to export spans."""

from django.core.wsgi import get_wsgi_application

from config.requests import TolerantWSGIRequest

application = get_wsgi_application()
application.request_class = TolerantWSGIRequest
