import re
from collections.abc import Callable
from time import perf_counter
from typing import Final

import structlog
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from uuid6 import uuid7

from apps.common.handlers import PROBLEM_CONTENT_TYPE, problem_response
from infrastructure import redaction
from infrastructure.origin import (
    REQUEST_ID_LENGTH,
    USER_AGENT_LENGTH,
    Origin,
    client_address,
    coming_from,
    is_address,
    is_trusted,
    unmapped,
)

type GetResponse = Callable[[HttpRequest], HttpResponse]

_WELL_FORMED_ID: Final = re.compile(rf"[A-Za-z0-9._-]{{1,{REQUEST_ID_LENGTH}}}")
_FORWARDING_HEADERS: Final = (
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_FORWARDED",
)
_FIRST_ERROR_STATUS: Final = 400

log = structlog.get_logger("layerline.request")


class RequestContextMiddleware:
    """Gives a request its id and its client's real address, and writes its one log line."""

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = perf_counter()
        resolve_client_address(request)
        request_id = _request_id(request)
        structlog.contextvars.clear_contextvars()
        redaction.forget()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        with coming_from(_origin(request)):
            response = self._get_response(request)
        response.headers["X-Request-ID"] = request_id
        log.info(
            "request",
            method=request.method,
            path=request.path,
            route=request.resolver_match.route if request.resolver_match else None,
            status=response.status_code,
            duration_ms=round((perf_counter() - started) * 1_000, 1),
        )
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        """Hide what a form sent, as far as the view had read it, before anybody tells of the exception."""
        redaction.remember(vars(request).get("_post"))


class ApiMiddleware:
    """Below /api/ every error is a problem document, whichever middleware or page it came from."""

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = self._get_response(request)
        if not request.path_info.startswith("/api/"):
            return response
        if response.status_code >= _FIRST_ERROR_STATUS and not _is_problem(response):
            response = _as_problem(response)
        if request.path_info.startswith("/api/v1/"):
            response.headers["Cache-Control"] = "no-store"
        return response


def _is_problem(response: HttpResponseBase) -> bool:
    # A view that answers in HTML or YAML would also render its errors so, whatever the handler calls them.
    renderer = getattr(response, "accepted_renderer", None)
    return response.headers.get("Content-Type") == PROBLEM_CONTENT_TYPE and (not renderer or renderer.format == "json")


def _as_problem(response: HttpResponseBase) -> HttpResponse:
    """Return a problem document in the place of a page, under the page's own headers, such as `Allow`."""
    problem = problem_response(response.status_code)
    for name, value in response.headers.items():
        if not name.startswith("Content-") or name.startswith("Content-Security-Policy"):
            problem.headers[name] = value
    return problem


def resolve_client_address(request: HttpRequest) -> None:
    """Put the client's own address into REMOTE_ADDR, and drop forwarding headers that nobody vouches for."""
    remote = request.META.get("REMOTE_ADDR", "")
    if is_trusted(remote):
        request.META["REMOTE_ADDR"] = client_address(remote, request.META.get("HTTP_X_FORWARDED_FOR", ""))
        return
    for header in _FORWARDING_HEADERS:
        request.META.pop(header, None)


def _request_id(request: HttpRequest) -> str:
    given = request.headers.get("X-Request-ID", "")
    return given if _WELL_FORMED_ID.fullmatch(given) else str(uuid7())


def _origin(request: HttpRequest) -> Origin:
    """Return the client as it may be stored: the header is a stranger's text, and a link-local address has a zone."""
    remote = request.META.get("REMOTE_ADDR", "").partition("%")[0]
    shown = "".join(letter for letter in request.headers.get("User-Agent", "") if letter.isprintable())
    return Origin(str(unmapped(remote)) if is_address(remote) else None, shown[:USER_AGENT_LENGTH])
