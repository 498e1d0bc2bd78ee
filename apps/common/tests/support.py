"""Views of every refusal, under addresses of their own: `@pytest.mark.urls("apps.common.tests.support")`."""

import socket
from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import include, path, re_path
from psycopg.errors import ForeignKeyViolation, UniqueViolation
from psycopg_pool import PoolTimeout
from rest_framework import exceptions as drf
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient

from apps.common.exceptions import AppException, ConflictError, FieldError, InvalidInputError, NotFoundError
from apps.common.permissions import IsAdminUser, IsOwnerOrAdmin
from apps.common.serializers import StrictCharField, StrictSerializer
from apps.common.throttling import LoginThrottle, RegisterThrottle
from apps.common.urls import health_urlpatterns
from apps.common.views import BaseViewSet, problems, unknown_path
from infrastructure.images import ImagesBusy
from infrastructure.passwords import PasswordHashingBusy
from infrastructure.redis import RedisUnavailable

# Stands wherever the inside could show; no answer and no line of a log may hold it.
CANARY: Final = "canary-e1b0c44298fc1c149afbf4c8"


def unused_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def send(client: APIClient, method: str, path: str, body: bytes, **extra: Any) -> Any:
    """Send the body as it is, as JSON unless `content_type` says otherwise."""
    extra = {"content_type": "application/json", **extra}
    return client.generic(method, path, body, **extra)  # type: ignore[arg-type]  # the stub knows no body of bytes


class CanaryError(Exception):
    """A fault that nobody foresaw."""


class TeapotError(drf.APIException):
    """A library's error whose code is none of ours."""

    status_code = 418
    default_detail = CANARY
    default_code = "teapot"


def _caused_by(cause: Exception) -> IntegrityError:
    """Return the error that Django makes of one of the driver's."""
    error = IntegrityError(CANARY)
    error.__cause__ = cause
    return error


FAULTS: Final[dict[str, Exception]] = {
    "unforeseen": CanaryError(CANARY),
    "foreign-code": TeapotError(),
    "database-bug": DatabaseError(CANARY),
    "database-away": OperationalError(CANARY),
    "connection-gone": InterfaceError(CANARY),
    "broken-rule": IntegrityError(CANARY),
    "row-gone-meanwhile": _caused_by(ForeignKeyViolation(CANARY)),
    "taken-meanwhile": _caused_by(UniqueViolation(CANARY)),
    "pool-empty": PoolTimeout(CANARY),
    "redis-away": RedisUnavailable(CANARY),
    "hashing-busy": PasswordHashingBusy(CANARY),
    "images-busy": ImagesBusy(CANARY),
    "http404": Http404(CANARY),
    "denied": PermissionDenied(CANARY),
    "domain": AppException(),
    "invalid": InvalidInputError([FieldError("name", "taken_word", "Not this word.")]),
    "nested": drf.ValidationError({"a": {"b": ["one", "two"]}, "non_field_errors": ["whole"]}),
}


class ThingSerializer(StrictSerializer):
    name = StrictCharField(max_length=10)


class EchoViewSet(BaseViewSet):
    """Answers with the body it was given."""

    authentication_classes = []
    permission_classes = [AllowAny]

    def create(self, request: Request) -> Response:
        return Response({"body": request.data})


class LoginLikeViewSet(EchoViewSet):
    throttle_classes = [LoginThrottle]


class RegisterLikeViewSet(EchoViewSet):
    throttle_classes = [RegisterThrottle]


class OpenViewSet(BaseViewSet):
    permission_classes = [AllowAny]

    def retrieve(self, request: Request) -> Response:
        return Response({"signed_in": request.user.is_authenticated})


class MineViewSet(OpenViewSet):
    permission_classes = [IsAuthenticated]


class OwnedViewSet(OpenViewSet):
    permission_classes = [IsOwnerOrAdmin]

    def retrieve(self, request: Request, **_: Any) -> Response:
        return super().retrieve(request)


class ThingViewSet(BaseViewSet):
    """Thing 1 exists, for admins; the name `taken` is."""

    permission_classes = [IsAdminUser]

    def update(self, request: Request, number: int) -> Response:
        if number != 1:
            raise NotFoundError
        serializer = ThingSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        if serializer.validated_data["name"] == "taken":
            raise ConflictError
        return Response(serializer.validated_data)


class FaultViewSet(OpenViewSet):
    authentication_classes = []

    def retrieve(self, request: Request, **_: Any) -> Response:
        secret = CANARY  # noqa: F841  # a local variable that a traceback could show
        raise FAULTS[self.kwargs["kind"]]


def plain_fault(request: HttpRequest) -> HttpResponse:
    """Fail in a view that is none of DRF's."""
    raise CanaryError(CANARY)


def plain_form(request: HttpRequest) -> HttpResponse:
    """Answer a form, which needs its CSRF token."""
    return HttpResponse("taken")


urlpatterns = [
    path("api/v1/echo/", EchoViewSet.as_view({"post": "create"})),
    path("api/v1/login-like/", LoginLikeViewSet.as_view({"post": "create"})),
    path("api/v1/register-like/", RegisterLikeViewSet.as_view({"post": "create"})),
    path("api/v1/open/", OpenViewSet.as_view({"get": "retrieve"})),
    path("api/v1/mine/", MineViewSet.as_view({"get": "retrieve"})),
    path("api/v1/owned/<uuid:user_id>/", OwnedViewSet.as_view({"get": "retrieve"})),
    path("api/v1/things/<int:number>/", ThingViewSet.as_view({"put": "update"})),
    path("api/v1/faults/<str:kind>/", FaultViewSet.as_view({"get": "retrieve"})),
    path("api/plain-fault/", plain_fault),
    path("api/plain-form/", plain_form),
    path("api/problems/", problems),
    re_path(r"^api/", unknown_path),
    path("plain-fault/", plain_fault),
    path("health/", include(health_urlpatterns)),
]
