"""Every address of the project, two more at which something fails, and one that repeats what it was sent."""

from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.requests import actor
from apps.common.views import BaseViewSet, idempotent
from config import urls
from infrastructure.queue import outbox


class FailingViewSet(BaseViewSet):
    permission_classes = [IsAuthenticated]

    def create(self, request: Request) -> Response:
        """Queue a job that fails, and say all that was sent in an error that nobody foresaw."""
        with transaction.atomic():
            outbox.enqueue("tests.fail_over_an_account", {"user_id": str(actor(request).id)})
        with connection.cursor() as cursor:
            cursor.execute("SELECT %s", [str(request.data)])
        raise RuntimeError(f"{request.data} of {request.headers['Authorization']} at {request.get_full_path()}")


class EchoingViewSet(BaseViewSet):
    permission_classes = [IsAuthenticated]

    @idempotent
    def create(self, request: Request) -> Response:
        """Answer with the body, which is kept for a second try."""
        return Response(request.data, status=201)


def failing_page(request: HttpRequest) -> HttpResponse:
    raise RuntimeError(f"{request.POST.dict()} {request.headers}")


urlpatterns = [
    path("api/v1/failing/", FailingViewSet.as_view({"post": "create"})),
    path("api/v1/echoing/", EchoingViewSet.as_view({"post": "create"})),
    path("failing/", failing_page),
    *urls.urlpatterns,
]
