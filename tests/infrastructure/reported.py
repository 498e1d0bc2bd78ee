"""Fails in every way in which something can, and prints the reports of it.

For a process of its own: whoever sends reports changes Django, Celery and Redis for good.
"""

import json
import logging
import sys
from typing import Any, Final
from uuid import uuid4

import structlog
from celery import shared_task
from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from apps.common.views import BaseViewSet
from infrastructure import faults, redis, reports

# Made here, so that no line of the source, which a report shows, holds one.
CANARIES: Final = {
    kind: f"{kind}-{uuid4().hex}" for kind in ("password", "local", "token", "query", "header", "cookie")
}
ADDRESS: Final = f"{uuid4().hex}@example.com"
PHONE: Final = "+" + str(uuid4().int)[:12].replace("0", "7")


class FailingViewSet(BaseViewSet):
    authentication_classes = []
    permission_classes = [AllowAny]

    def create(self, request: Request, number: int) -> Response:
        """Say all that was sent, and fail."""
        secret = CANARIES["local"]  # noqa: F841  # a local variable that a report could show
        redis.client().get(CANARIES["local"])
        data: Any = request.data
        logging.getLogger("some.library").warning("sent %s", data)
        raise ValueError(f"{data['password']} of {data} is wrong\nDETAIL: {data['note']}")


@csrf_exempt
def failing_page(request: HttpRequest) -> HttpResponse:
    password = request.POST["password"]
    raise ValueError(f"no {request.POST.dict()} {len(password)}")


@shared_task(name="tests.failing")
def failing(token: str) -> None:
    raise ValueError(f"cannot use token={token}")


urlpatterns = [
    path("api/v1/failing/<int:number>/", FailingViewSet.as_view({"post": "create"})),
    path("failing/", failing_page),
]


class Kept(Transport):
    """Keeps what would be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Any] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.events += [item.payload.json for item in envelope.items]


def _serve(request: WSGIRequest) -> None:
    """Let a request go its whole way, as from a server."""
    application: Any = get_wsgi_application()
    b"".join(application(request.environ, lambda *_: None))


def main() -> None:
    """Fail in a view of DRF's, in one of Django's, in a job and in a task."""
    settings.ROOT_URLCONF = __name__
    kept = Kept()
    reports.configure(dsn="https://key@sentry.internal/1", environment="tests", transport=kept)
    sent = {"password": CANARIES["password"], "email": ADDRESS, "phone": PHONE, "note": "a note"}
    requests = RequestFactory(
        headers={
            "authorization": f"Bearer {CANARIES['token']}",
            "x-own": CANARIES["header"],
            "user-agent": "curl/8.5",
            "x-request-id": "the-request",
        }
    )
    requests.cookies["sessionid"] = CANARIES["cookie"]
    query = f"?q={CANARIES['query']}"
    _serve(requests.post(f"/api/v1/failing/7/{query}", sent, content_type="application/json"))
    _serve(requests.post(f"/failing/{query}", sent))
    structlog.contextvars.clear_contextvars()
    with structlog.contextvars.bound_contextvars(request_id="the-job's", user_id="42", job="tests.job", job_id="43"):
        try:
            failing(CANARIES["token"])
        except ValueError as error:
            faults.met.send(sender=None, error=error)
    failing.apply((CANARIES["token"],))
    json.dump({"events": kept.events, "canaries": [*CANARIES.values(), ADDRESS, PHONE]}, sys.stdout)
