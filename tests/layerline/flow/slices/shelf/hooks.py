"""DRF's hooks that run SQL, each of which one rule forbids or allows."""

from collections.abc import Callable, Mapping
from typing import IO, Any

from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.filters import BaseFilterBackend
from rest_framework.pagination import PageNumberPagination
from rest_framework.parsers import JSONParser
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from tests.layerline.flow.slices.shelf.selectors import ShelfSelector


class CountingPermission(BasePermission):
    def has_permission(self, request: Request, view: APIView) -> bool:
        return Group.objects.count() >= 0


class AskingPermission(BasePermission):
    def has_permission(self, request: Request, view: APIView) -> bool:
        return len(ShelfSelector.names()) >= 0


class CountingThrottle(BaseThrottle):
    def allow_request(self, request: Request, view: APIView) -> bool:
        return Group.objects.count() >= 0


class CountingParser(JSONParser):
    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        Group.objects.count()
        return super().parse(stream, media_type, parser_context)


class CountingAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> None:
        Group.objects.count()


class AskingAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> None:
        ShelfSelector.names()


class CountingRenderer(JSONRenderer):
    def render(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        return super().render([group.name for group in data["lazy"]], *args, **kwargs)


class RefusingAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> None:
        raise AuthenticationFailed("not to be shown")


class RefusingThrottle(BaseThrottle):
    def allow_request(self, request: Request, view: APIView) -> bool:
        return False


class RefusingPermission(BasePermission):
    def has_permission(self, request: Request, view: APIView) -> bool:
        return False


class FailingRenderer(JSONRenderer):
    def render(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        if data is None:
            return super().render(data, *args, **kwargs)
        raise LookupError("not to be shown")


class FailingMiddleware:
    """Fails on the way in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        raise LookupError("not to be shown")


class ExistingFilter(BaseFilterBackend):
    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        return queryset if queryset.exists() else queryset.none()


class WritingFilter(BaseFilterBackend):
    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        Group.objects.create(name="searched for")
        return queryset


class Pages(PageNumberPagination):
    page_size = 2
