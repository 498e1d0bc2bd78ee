from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.template.response import SimpleTemplateResponse
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from tests.layerline.flow.slices.shelf import hooks
from tests.layerline.flow.slices.shelf.selectors import ShelfSelector
from tests.layerline.flow.slices.shelf.serializers import CountingSerializer, SavingSerializer, ShelfSerializer
from tests.layerline.flow.slices.shelf.services import ShelfService


class OpenView(GenericAPIView[Any]):
    authentication_classes: list[Any] = []
    permission_classes: list[Any] = [AllowAny]
    throttle_classes: list[Any] = []
    filter_backends: list[Any] = []

    def get(self, request: Request) -> Response:
        return self.answer()

    def answer(self) -> Response:
        return Response({"names": ShelfSelector.names()})


class AskingView(OpenView):
    authentication_classes = [hooks.AskingAuthentication]
    permission_classes = [hooks.AskingPermission]


class PagedView(OpenView):
    pagination_class = hooks.Pages
    filter_backends = [hooks.ExistingFilter]

    def answer(self) -> Response:
        page = self.paginate_queryset(self.filter_queryset(ShelfSelector.rows()))
        return self.get_paginated_response(ShelfSerializer(page, many=True).data)


class AddingView(OpenView):
    def answer(self) -> Response:
        return Response(ShelfSerializer(ShelfService.add(name="added")).data)


class OrderView(OpenView):
    def post(self, request: Request) -> Response:
        serializer = ShelfSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        ShelfService.order_and_tell(name=serializer.validated_data["name"])
        return Response(status=202)


class FailingAuthenticationView(OpenView):
    authentication_classes = [hooks.RefusingAuthentication]


class FailingThrottleView(OpenView):
    throttle_classes = [hooks.RefusingThrottle]


class FailingPermissionView(OpenView):
    permission_classes = [hooks.RefusingPermission]


class FailingRendererView(OpenView):
    renderer_classes = [hooks.FailingRenderer]


class FailingView(OpenView):
    def answer(self) -> Response:
        raise LookupError("not to be shown")


class FailingServiceView(OpenView):
    def answer(self) -> Response:
        return Response(ShelfService.fail())


class FailingSelectorView(OpenView):
    def answer(self) -> Response:
        return Response(ShelfSelector.fail())


class FailingStatementView(OpenView):
    def answer(self) -> Response:
        return Response(ShelfSelector.divide())


class CountingView(OpenView):
    def answer(self) -> Response:
        return Response(Group.objects.count())


class LazyView(OpenView):
    """Gets a queryset from a selector and lets it run in the view."""

    def answer(self) -> Response:
        return Response([group.name for group in ShelfSelector.rows()])


class AtomicView(OpenView):
    def answer(self) -> Response:
        with transaction.atomic():
            return Response(ShelfSelector.names())


class LazySerializerView(OpenView):
    def answer(self) -> Response:
        return Response(ShelfSerializer(ShelfSelector.rows(), many=True).data)


class CountingSerializerView(OpenView):
    def answer(self) -> Response:
        return Response(CountingSerializer({"name": "one"}).data)


class SavingSerializerView(OpenView):
    def answer(self) -> Response:
        serializer = SavingSerializer(data={"name": "saved"})
        serializer.is_valid(raise_exception=True)
        serializer.save()
        return Response()


class LazyRendererView(OpenView):
    renderer_classes = [hooks.CountingRenderer]

    def answer(self) -> Response:
        return Response({"lazy": ShelfSelector.rows()})


class CountingPermissionView(OpenView):
    permission_classes = [hooks.CountingPermission]


class CountingThrottleView(OpenView):
    throttle_classes = [hooks.CountingThrottle]


class CountingAuthenticationView(OpenView):
    authentication_classes = [hooks.CountingAuthentication]


class WritingFilterView(OpenView):
    filter_backends = [hooks.WritingFilter]

    def answer(self) -> Response:
        self.filter_queryset(ShelfSelector.rows())
        return Response()


class CountingParserView(OpenView):
    parser_classes = [hooks.CountingParser]

    def post(self, request: Request) -> Response:
        return Response(request.data)


class ManyView(OpenView):
    """Asks a selector once for each row."""

    def answer(self) -> Response:
        for name in "abcdef":
            ShelfSelector.by_name(name=name)
        return Response()


def plain(request: HttpRequest) -> HttpResponse:
    return HttpResponse(", ".join(ShelfSelector.names()))


def counting(request: HttpRequest) -> HttpResponse:
    return HttpResponse(Group.objects.count())


def lazy_template(request: HttpRequest) -> SimpleTemplateResponse:
    template: Any = engines["django"].from_string("{% for group in groups %}{{ group.name }}{% endfor %}")
    return SimpleTemplateResponse(template, {"groups": ShelfSelector.rows()})


def reading_the_session_user(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(request.user.is_authenticated))
