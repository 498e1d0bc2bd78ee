"""The one door through which errors leave: a problem document (RFC 9457) over HTTP, an error frame over a socket."""

import json
from dataclasses import dataclass
from typing import Any, Final

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.signals import got_request_exception
from django.db import IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpResponse
from psycopg.errors import ForeignKeyViolation, UniqueViolation
from psycopg_pool import PoolTimeout
from rest_framework import exceptions as drf
from rest_framework.response import Response

from apps.common.exceptions import AppException, FieldError, InvalidInputError, ThrottledError
from apps.common.renderers import JSONRenderer
from infrastructure import faults
from infrastructure.images import ImagesBusy
from infrastructure.passwords import PasswordHashingBusy
from infrastructure.redis import RedisUnavailable
from infrastructure.storage import StorageUnavailable

PROBLEM_CONTENT_TYPE: Final = "application/problem+json"
PROBLEM_TYPE_BASE: Final = "/api/problems/#"
RETRY_AFTER_OUTAGE: Final = 5
_UNAUTHORIZED: Final = 401

log = structlog.get_logger("layerline.errors")


@dataclass(frozen=True, slots=True)
class Problem:
    """One entry of the list of codes that clients rely on."""

    code: str
    status: int
    title: str
    meaning: str


PROBLEMS: Final = {
    problem.code: problem
    for problem in (
        Problem("validation_error", 400, "Not valid", "A field is missing, wrong, unknown or too long: see errors."),
        Problem(
            "parse_error",
            400,
            "Not readable",
            "The body is not JSON, or holds what cannot be stored.",
        ),
        Problem("bad_request", 400, "Bad request", "The request itself is broken: its Host header, for example."),
        Problem("authentication_failed", 401, "Not signed in", "No credentials, or wrong ones."),
        Problem("token_expired", 401, "Token expired", "The token was right and is over: refresh it."),
        Problem("token_invalid", 401, "Token not valid", "The token is not ours, or not of the kind that is needed."),
        Problem("token_reused", 401, "Token used twice", "A used refresh token came back; its session is over."),
        Problem(
            "session_revoked",
            401,
            "Session over",
            "Signed out, deactivated or password changed: sign in again.",
        ),
        Problem("forbidden", 403, "Not allowed", "Signed in, and not allowed to do this."),
        Problem("not_found", 404, "Not found", "It is not there, or not visible to this caller."),
        Problem("method_not_allowed", 405, "Method not allowed", "The path knows other methods: see Allow."),
        Problem("not_acceptable", 406, "Not acceptable", "Answers are JSON; the Accept header excludes it."),
        Problem("conflict", 409, "Conflict", "Taken, already done, or changed by someone else at the same time."),
        Problem("muted", 409, "Muted", "The caller may say nothing in this room for a while."),
        Problem("edit_window_over", 409, "Too late to edit", "The time in which a message can be edited is over."),
        Problem("room_closed", 409, "Room closed", "Nothing can be said in this room any more, only read."),
        Problem("payload_too_large", 413, "Body too large", "The body is larger than the server takes."),
        Problem("uri_too_long", 414, "Address too long", "The address is longer than the server takes."),
        Problem("unsupported_media_type", 415, "Unsupported media type", "Bodies are JSON in UTF-8."),
        Problem("throttled", 429, "Too many requests", "A limit is reached; Retry-After says for how many seconds."),
        Problem("headers_too_large", 431, "Headers too large", "The headers are larger than the server takes."),
        Problem("internal_error", 500, "Internal error", "A fault of ours; it is logged under the request_id."),
        Problem("bad_gateway", 502, "Bad gateway", "The server behind the proxy did not answer properly."),
        Problem("service_unavailable", 503, "Unavailable", "Something this needs does not answer; try again shortly."),
        Problem("gateway_timeout", 504, "Gateway timeout", "The server behind the proxy did not answer in time."),
    )
}
_CODE_BY_STATUS: Final = {problem.status: problem.code for problem in reversed(PROBLEMS.values())} | {
    400: "bad_request"
}
_CODE_BY_EXCEPTION: Final[tuple[tuple[type[Exception], str], ...]] = (
    (drf.ParseError, "parse_error"),
    (drf.NotAuthenticated, "authentication_failed"),
    (drf.AuthenticationFailed, "authentication_failed"),
    (drf.PermissionDenied, "forbidden"),
    (PermissionDenied, "forbidden"),
    (drf.NotFound, "not_found"),
    (Http404, "not_found"),
    (drf.MethodNotAllowed, "method_not_allowed"),
    (drf.NotAcceptable, "not_acceptable"),
    (drf.UnsupportedMediaType, "unsupported_media_type"),
    (drf.Throttled, "throttled"),
    (RequestDataTooBig, "payload_too_large"),
    # More parameters than DATA_UPLOAD_MAX_NUMBER_FIELDS, for one.
    (SuspiciousOperation, "bad_request"),
    (OperationalError, "service_unavailable"),
    (InterfaceError, "service_unavailable"),
    (PoolTimeout, "service_unavailable"),
    (RedisUnavailable, "service_unavailable"),
    (StorageUnavailable, "service_unavailable"),
    (PasswordHashingBusy, "service_unavailable"),
    (ImagesBusy, "service_unavailable"),
)


def problem_document(code: str, *, detail: str | None = None, errors: tuple[FieldError, ...] = ()) -> dict[str, Any]:
    """Return the body of an error answer."""
    problem = PROBLEMS[code]
    document: dict[str, Any] = {
        "type": PROBLEM_TYPE_BASE + code,
        "title": problem.title,
        "status": problem.status,
        "detail": detail or problem.meaning,
        "code": code,
        "request_id": structlog.contextvars.get_contextvars().get("request_id"),
    }
    if errors:
        document["errors"] = [{"field": error.field, "code": error.code, "detail": error.detail} for error in errors]
    return document


def problem_response(status: int) -> HttpResponse:
    """Return a problem document for an error that was answered outside of the API's own views."""
    code = _CODE_BY_STATUS.get(status, "internal_error")
    body = json.dumps(problem_document(code))
    return HttpResponse(body, status=PROBLEMS[code].status, content_type=PROBLEM_CONTENT_TYPE)


def custom_exception_handler(exception: Exception, context: dict[str, Any]) -> Response:
    """Turn whatever a view raised into its problem document; what nobody foresaw is logged and shows nothing."""
    code = _logged_code(exception)
    if code == "internal_error":
        got_request_exception.send(sender=custom_exception_handler, request=context["request"])
    # Whatever form the view itself answers in.
    context["request"].accepted_renderer = JSONRenderer()
    context["request"].accepted_media_type = JSONRenderer.media_type
    response = Response(
        problem_document(code, detail=_detail(exception, code), errors=_field_errors(exception)),
        status=PROBLEMS[code].status,
        headers=_headers(exception, code),
        content_type=PROBLEM_CONTENT_TYPE,
    )
    # Logged above, with its cause; Django would write a second line without one.
    response._has_been_logged = True  # type: ignore[attr-defined]  # noqa: SLF001  # Django's own mark
    return response


def error_frame(exception: Exception) -> dict[str, Any]:
    """Turn whatever a frame led to into what its sender is told: what a problem document says, without the HTTP."""
    code = _logged_code(exception)
    if code == "internal_error":
        faults.met.send_robust(sender=error_frame, error=exception)
    document = problem_document(code, detail=_detail(exception, code), errors=_field_errors(exception))
    frame = {"type": "error", "code": code, "detail": document["detail"], "request_id": document["request_id"]}
    if "errors" in document:
        frame["errors"] = document["errors"]
    wait = _wait(exception, code)
    return frame if wait is None else {**frame, "retry_after": wait}


def _logged_code(exception: Exception) -> str:
    code = _code(exception)
    if code == "internal_error":
        log.error("unhandled_exception", exc_info=exception)
    elif code == "service_unavailable":
        log.warning("service_unavailable", cause=type(exception).__name__)
    return code


def _code(exception: Exception) -> str:
    if isinstance(exception, AppException):
        return exception.code
    if isinstance(exception, drf.ValidationError):
        return "validation_error"
    if isinstance(exception, IntegrityError) and isinstance(exception.__cause__, ForeignKeyViolation | UniqueViolation):
        # Right when it was checked, and no longer when it was committed.
        return "conflict"
    for kind, code in _CODE_BY_EXCEPTION:
        if isinstance(exception, kind):
            return code
    if isinstance(exception, drf.APIException) and exception.default_code in PROBLEMS:
        return exception.default_code
    return "internal_error"


def _detail(exception: Exception, code: str) -> str | None:
    if isinstance(exception, AppException):
        return exception.detail
    if code != "internal_error" and isinstance(exception, drf.APIException) and isinstance(exception.detail, str):
        return str(exception.detail)
    return None


def _field_errors(exception: Exception) -> tuple[FieldError, ...]:
    if isinstance(exception, InvalidInputError):
        return exception.errors
    if isinstance(exception, drf.ValidationError):
        return tuple(_flatten(exception.detail, ""))
    return ()


def _flatten(detail: Any, path: str) -> list[FieldError]:
    if isinstance(detail, dict):
        return [
            error
            for name, inner in detail.items()
            for error in _flatten(inner, path if name == "non_field_errors" else f"{path}.{name}".lstrip("."))
        ]
    if isinstance(detail, list):
        return [error for inner in detail for error in _flatten(inner, path)]
    return [FieldError(field=path, code=detail.code, detail=str(detail))]


def _headers(exception: Exception, code: str) -> dict[str, str]:
    headers: dict[str, str] = {}
    if PROBLEMS[code].status == _UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    wait = _wait(exception, code)
    if wait is not None:
        headers["Retry-After"] = str(wait)
    return headers


def _wait(exception: Exception, code: str) -> int | None:
    """Return the seconds until it is worth another try, where that is known."""
    if isinstance(exception, drf.Throttled):
        seconds: int = vars(exception)["wait"]
        return seconds
    if isinstance(exception, ThrottledError):
        return exception.retry_after
    return RETRY_AFTER_OUTAGE if code == "service_unavailable" else None
