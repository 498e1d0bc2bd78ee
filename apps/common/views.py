"""The base of every API view, and the pages that belong to no slice."""

import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, ClassVar, Concatenate, cast

import structlog
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views import generic
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from rest_framework.exceptions import APIException, MethodNotAllowed, NotAcceptable, Throttled
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.status import is_success
from rest_framework.utils.encoders import JSONEncoder
from rest_framework.viewsets import GenericViewSet

from apps.common.exceptions import AppException
from apps.common.handlers import PROBLEMS, problem_response
from apps.common.requests import actor, idempotency_key, read_body
from apps.common.schema import asyncapi_yaml, sockets_at
from apps.common.selectors import HealthSelector
from apps.common.services import IdempotencyService
from apps.common.throttling import ScopedThrottle, Tally, tally_of
from apps.common.types import Anonymous, Attempt
from infrastructure.ratelimit import Verdict, rate_limit_headers

if TYPE_CHECKING:
    from django.urls import ResolverMatch


class AcceptHeaderNegotiation(DefaultContentNegotiation):
    """By the Accept header alone: `?format=xml` would make an address that exists a 404."""

    def filter_renderers(self, renderers: Iterable[BaseRenderer], format: str) -> list[BaseRenderer]:  # noqa: A002  # DRF's name
        return list(renderers)

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        first, *_ = candidates = list(renderers)
        # What nearly everybody sends; the way to the same answer is long.
        if request.META.get("HTTP_ACCEPT", "*/*") in {"*/*", first.media_type}:
            return first, first.media_type
        return cast("tuple[BaseRenderer, str]", super().select_renderer(request, candidates, format_suffix))


class BaseViewSet(GenericViewSet[Any]):
    """Refuses in one order, whatever the view.

    Unknown verb 405, not acceptable 406, the address's limit 429, not signed in 401, the role 403, the user's limit
    429, the body 413, 415 or 400. Then the view's own function: the object 404, the fields 400, a conflict 409.
    """

    content_negotiation_class = AcceptHeaderNegotiation
    http_method_names = ["get", "post", "put", "patch", "delete", "head"]

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        wrapped: Request = super().initialize_request(request, *args, **kwargs)
        # What a DRF request does not have itself it looks for in two steps, each time; these are asked for most.
        vars(wrapped).update(META=request.META, method=request.method)
        return wrapped

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.format_kwarg = self.get_format_suffix(**kwargs)
        self._verdict: Verdict | None = None
        self._negotiate(request)
        request.tally = Tally(request, cast("list[ScopedThrottle]", self.get_throttles()))  # type: ignore[attr-defined]  # carried by the request itself
        self._authenticate(request)
        self.check_permissions(request)
        if request.user.is_authenticated:
            self.check_throttles(request)
        if request.method in {"POST", "PUT", "PATCH"}:
            read_body(request)

    def check_throttles(self, request: Request) -> None:
        """Count the request against all its limits, unless it is counted already, and look at the verdict.

        Raises:
            Throttled: If one of them is reached.
        """
        user_id = actor(request).id if request.user.is_authenticated else None
        self._verdict = tally_of(request).verdict(user_id)
        if not self._verdict.allowed:
            raise Throttled(self._verdict.retry_after)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        finalized: Response = super().finalize_response(request, response, *args, **kwargs)
        if self._verdict:
            for name, value in rate_limit_headers(self._verdict).items():
                finalized.headers[name] = value
        return finalized

    def _negotiate(self, request: Request) -> None:
        refused = None
        try:
            chosen = self.perform_content_negotiation(request)
        except NotAcceptable as error:
            # Refusals have a form too.
            refused, chosen = error, self.perform_content_negotiation(request, force=True)
        request.accepted_renderer, request.accepted_media_type = chosen
        self._require_known_verb(request)
        if refused:
            raise refused

    def _require_known_verb(self, request: Request) -> None:
        method = cast("str", request.method)
        if method.lower() not in self.http_method_names or not hasattr(self, method.lower()):
            raise MethodNotAllowed(method)

    def _authenticate(self, request: Request) -> None:
        """Authenticate; whoever fails to, or does not try, counts against the address."""
        try:
            self.perform_authentication(request)
        except (APIException, AppException):
            request.user = Anonymous()  # type: ignore[assignment]  # what UNAUTHENTICATED_USER says, too
            self.check_throttles(request)
            raise
        if request.user.is_authenticated:
            structlog.contextvars.bind_contextvars(user_id=str(actor(request).id))
        else:
            self.check_throttles(request)


type Action[View, **P] = Callable[Concatenate[View, Request, P], Response]


def idempotent[View: BaseViewSet, **P](action: Action[View, P]) -> Action[View, P]:
    """Let an action that creates be repeated safely: under the same `Idempotency-Key` it is done once.

    For actions of signed-in callers with JSON bodies. What they answer is kept for a day, so none may answer with a
    secret: no token, no ticket, no recovery code.
    """

    @wraps(action)
    def once(view: View, request: Request, /, *args: P.args, **kwargs: P.kwargs) -> Response:
        key = idempotency_key(request)
        if key is None:
            return action(view, request, *args, **kwargs)
        return IdempotencyService.once(
            attempt=Attempt(
                user_id=actor(request).id,
                route=cast("ResolverMatch", request.resolver_match).route,
                key=key,
                content=json.dumps([request.get_full_path(), request.data], sort_keys=True),
            ),
            work=partial(action, view, request, *args, **kwargs),
            keep=_kept,
            restore=_replayed,
        )

    # Read by the OpenAPI document.
    vars(once)["is_idempotent"] = True
    return once


def _kept(response: Response) -> str | None:
    """Return what a second try shall be answered; a refusal is not kept."""
    if not is_success(response.status_code):
        return None
    kept = {"status": response.status_code, "body": response.data, "location": response.headers.get("Location")}
    return json.dumps(kept, cls=JSONEncoder)


def _replayed(text: str) -> Response:
    kept = json.loads(text)
    headers = {"Idempotent-Replayed": "true"} | ({"Location": kept["location"]} if kept["location"] else {})
    return Response(kept["body"], status=kept["status"], headers=headers)


@csrf_exempt
def unknown_path(request: HttpRequest, **_: str) -> HttpResponse:
    """Answer every address below /api/ that no other route knows."""
    return problem_response(404)


@csrf_exempt
@require_safe
def problems(request: HttpRequest) -> HttpResponse:
    """Show the list of codes; the `type` of every problem document leads here."""
    return render(request, "common/problems.html", {"problems": PROBLEMS.values()})


class AsyncApiView(generic.View):
    """Show what goes over sockets, as AsyncAPI has it. It is given the routes of the project's sockets."""

    routes: ClassVar[Sequence[Any]] = ()

    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(asyncapi_yaml(sockets_at(self.routes)), content_type="application/yaml")


@csrf_exempt
@never_cache
@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """Tell that the process answers, and nothing else."""
    return JsonResponse({"status": "ok"})


@csrf_exempt
@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """Tell whether this process can serve: 503 without PostgreSQL or its tables, degraded without anything else."""
    status = HealthSelector.now().status
    return JsonResponse({"status": status}, status=503 if status == "unavailable" else 200)
