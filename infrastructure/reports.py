"""Reports of what nobody foresaw, to Sentry, where SENTRY_DSN names one.

They show nothing that somebody sent: a report is put together anew, from a list of what may be in it.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import sentry_sdk
import structlog
from sentry_sdk.integrations.argv import ArgvIntegration
from sentry_sdk.integrations.celery import CeleryIntegration
from sentry_sdk.integrations.django import DjangoIntegration
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.integrations.modules import ModulesIntegration
from sentry_sdk.integrations.redis import RedisIntegration
from sentry_sdk.transport import Transport
from sentry_sdk.utils import BadDsn

from infrastructure import faults, redaction

if TYPE_CHECKING:
    from sentry_sdk.types import Breadcrumb, DataCollectionUserOptions, Event, Hint

_EVENT: Final = (
    *("event_id", "timestamp", "level", "platform", "logger", "transaction", "transaction_info", "fingerprint"),
    *("environment", "release", "server_name", "sdk", "exception", "breadcrumbs"),
)
_CONTEXTS: Final = ("runtime", "trace")
_HEADERS: Final = ("Accept", "Content-Length", "Content-Type", "Host", "User-Agent", "X-Request-Id")
_FRAME: Final = (
    *("abs_path", "context_line", "filename", "function", "in_app", "lineno", "module", "post_context", "pre_context"),
)
_BREADCRUMB: Final = ("category", "level", "timestamp", "type")
# Nothing that a request, a frame or a statement holds but headers, of which some are chosen.
_COLLECTED: "Final[DataCollectionUserOptions]" = {
    "user_info": False,
    "cookies": {"mode": "off"},
    "http_headers": {"request": {"mode": "denylist"}},
    "http_bodies": [],
    "url_query_params": {"mode": "off"},
    "database_query_data": False,
    "queues": False,
    "stack_frame_variables": False,
}
# What the work in hand is known by, in logs and reports alike.
_TAGS: Final = ("request_id", "job", "job_id")


class BadAddressError(Exception):
    """The address of the reports is none. It holds a key, so nothing of it is said."""


def configure(*, dsn: str, environment: str, transport: Transport | None = None) -> None:
    """Send what nobody foresaw in requests, sockets, jobs, tasks and commands to Sentry.

    Args:
        dsn: Where to; '' sends nothing.
        environment: What the reports are filed under.
        transport: How they travel, if not by HTTP.

    Raises:
        BadAddressError: If the dsn cannot be used.
    """
    if not dsn:
        return
    try:
        sentry_sdk.init(
            dsn=dsn,
            environment=environment,
            transport=transport,
            before_send=_only_what_may_be_seen,
            before_breadcrumb=_without_data,
            data_collection=_COLLECTED,
            auto_session_tracking=False,
            send_client_reports=False,
            trace_propagation_targets=[],
            auto_enabling_integrations=False,
            disabled_integrations=[ArgvIntegration, ModulesIntegration],
            integrations=[
                DjangoIntegration(signals_spans=False),
                CeleryIntegration(propagate_traces=False),
                RedisIntegration(),
                # What is worth a report is handed over as an exception, once; a line of a log is none.
                LoggingIntegration(level=None, event_level=None, sentry_logs_level=None),
            ],
        )
    except BadDsn:
        raise BadAddressError from None
    faults.met.connect(_report)


def _report(error: Exception, **_: Any) -> None:
    sentry_sdk.capture_exception(error)


def _only_what_may_be_seen(event: "Event", _: "Hint") -> "Event":
    context = structlog.contextvars.get_contextvars()
    seen: dict[str, Any] = _chosen(event, _EVENT)
    seen["contexts"] = _chosen(event.get("contexts", {}), _CONTEXTS)
    seen["tags"] = _chosen(context, _TAGS)
    if context.get("user_id"):
        seen["user"] = {"id": context["user_id"]}
    if "request" in event:
        seen["request"] = _request(event["request"])
    for failure in seen.get("exception", {}).get("values", ()):
        failure["value"] = str(failure.get("value") or "").strip().partition("\n")[0]
        for frame in (failure.get("stacktrace") or {}).get("frames", ()):
            for name in frame.keys() - _FRAME:
                del frame[name]
    masked: Event = redaction.masked(seen)
    return masked


def _request(request: Mapping[str, Any]) -> dict[str, Any]:
    headers = {name.title(): value for name, value in request.get("headers", {}).items()}
    return {
        "method": request.get("method"),
        "url": str(request.get("url", "")).partition("?")[0],
        "headers": _chosen(headers, _HEADERS),
    }


def _without_data(crumb: "Breadcrumb", _: "Hint") -> "Breadcrumb":
    """Keep of a step what it was. A statement is kept with its placeholders; a command of Redis names its keys."""
    return _chosen(crumb, (*_BREADCRUMB, "message") if crumb.get("category") == "query" else _BREADCRUMB)


def _chosen(whole: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: whole[name] for name in names if name in whole}
