import re
from collections.abc import Callable
from functools import cached_property
from time import perf_counter
from typing import Any, Final, cast

import corsheaders.middleware
import csp.middleware
import structlog
from csp.constants import HEADER
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.deprecation import MiddlewareMixin
from uuid6 import uuid7

from apps.common.handlers import PROBLEM_CONTENT_TYPE, problem_response
from infrastructure import metrics, redaction
from infrastructure.origin import (
    REQUEST_ID_LENGTH,
    USER_AGENT_LENGTH,
    Origin,
    client_address,
    coming_from,
    is_trusted,
    parsed,
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
# What django-csp's decorators write on an answer.
_POLICY_MARKS: Final = frozenset(
    f"_csp_{name}{suffix}" for name in ("config", "update", "replace", "exempt") for suffix in ("", "_ro")
)

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
        seconds = perf_counter() - started
        route = request.resolver_match.route if request.resolver_match else None
        metrics.answered(
            method=request.method or "", route=route or "none", status=response.status_code, seconds=seconds
        )
        log.info(
            "request",
            method=request.method,
            path=request.path,
            route=route,
            status=response.status_code,
            duration_ms=round(seconds * 1_000, 1),
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


class PolicyMiddleware(csp.middleware.CSPMiddleware):
    """Content-Security-Policy as django-csp has it, put together once for the answers that ask for nothing special."""

    async_capable = False

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if (
            self._usual is None
            or settings.DEBUG
            or "_csp_nonce" in vars(request)
            or not _POLICY_MARKS.isdisjoint(vars(response))
        ):
            return super().process_response(request, response)
        response.headers.setdefault(HEADER, self._usual)
        return response

    @cached_property
    def _usual(self) -> str | None:
        """The policy of an answer that says nothing of its own; None where it hangs on the path, or there are two."""
        policy = getattr(settings, "CONTENT_SECURITY_POLICY", None) or {}
        if "EXCLUDE_URL_PREFIXES" in policy or getattr(settings, "CONTENT_SECURITY_POLICY_REPORT_ONLY", None):
            return None
        return super().process_response(HttpRequest(), HttpResponse()).headers.get(HEADER)


class CorsMiddleware(corsheaders.middleware.CorsMiddleware):
    """CORS for browsers, which name where they come from. All others are told that the answer would be another one."""

    async_capable = False

    def __call__(self, request: HttpRequest) -> Any:
        if "HTTP_ORIGIN" in request.META or request.method == "OPTIONS":
            return super().__call__(request)
        response = self.get_response(request)
        if self.is_enabled(request):
            patch_vary_headers(cast("HttpResponseBase", response), ("origin",))
        return response


class _ForPages(MiddlewareMixin):
    """Lets the API past: it knows tokens and no cookies, so nothing there has a session, or a message for a page."""

    async_capable = False

    def __call__(self, request: HttpRequest) -> Any:
        if request.path_info.startswith("/api/v1/"):
            return self.get_response(request)
        return super().__call__(request)


class PageSessionMiddleware(_ForPages, SessionMiddleware):
    pass


class PageAuthenticationMiddleware(_ForPages, AuthenticationMiddleware):
    pass


class PageMessageMiddleware(_ForPages, MessageMiddleware):
    pass


def resolve_client_address(request: HttpRequest) -> None:
    """Put the client's own address into REMOTE_ADDR, and drop forwarding headers that nobody vouches for."""
    remote = request.META.get("REMOTE_ADDR", "")
    if is_trusted(remote):
        request.META["REMOTE_ADDR"] = client_address(remote, request.META.get("HTTP_X_FORWARDED_FOR", ""))
        return
    for header in _FORWARDING_HEADERS:
        request.META.pop(header, None)


def _request_id(request: HttpRequest) -> str:
    given = request.META.get("HTTP_X_REQUEST_ID", "")
    return given if _WELL_FORMED_ID.fullmatch(given) else str(uuid7())


def _origin(request: HttpRequest) -> Origin:
    """Return the client as it may be stored: the header is a stranger's text, and a link-local address has a zone."""
    address = parsed(request.META.get("REMOTE_ADDR", "").partition("%")[0])
    given = request.META.get("HTTP_USER_AGENT", "")
    shown = given if given.isprintable() else "".join(letter for letter in given if letter.isprintable())
    return Origin(None if address is None else str(address), shown[:USER_AGENT_LENGTH])
