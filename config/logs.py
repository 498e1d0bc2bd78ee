"""structlog for our own lines and for those of every library: JSON in production, readable in local use."""

import json
import logging.config
from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog

from infrastructure import redaction

# Never with local variables, as both renderers would have it by themselves: those hold passwords and tokens.
_traceback_as_json = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)


def _without_request(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take away the request that Django adds to its lines: its query string may be personal."""
    event.pop("request", None)
    return event


def _first_lines(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keep the first line of what each exception says: PostgreSQL puts the values of the row into those below."""
    failures = event.get("exception")
    if isinstance(failures, list):
        event["exception"] = [
            failure | {"exc_value": failure["exc_value"].strip().partition("\n")[0]} for failure in failures
        ]
    return event


def _masked(_: Any, __: str, event: MutableMapping[str, Any]) -> Any:
    """Take away what no line may show, whoever wrote it."""
    return redaction.masked(event)


def _masked_text(_: Any, __: str, line: str) -> str:
    """Take it out of the rendered line too: this form renders an exception at the very end."""
    return redaction.text(line)


def _as_json(event: Any, **options: Any) -> str:
    """Return a line in JSON. What the quicker encoder refuses, half of a surrogate pair for one, the other escapes."""
    try:
        return orjson.dumps(event, default=options["default"], option=orjson.OPT_NON_STR_KEYS).decode()
    except orjson.JSONEncodeError:
        return json.dumps(event, **options)


def _is_no_handshake(record: logging.LogRecord) -> bool:
    return '"WebSocket ' not in str(record.msg)


def configure(*, level: str, json: bool) -> None:
    """Send every log line through structlog to standard error.

    Args:
        level: The lowest level that is written.
        json: One JSON object a line if true, coloured text for a person if not.
    """
    # No line names them, and each record would look them up twice; see "Optimization" in Python's logging HOWTO.
    for name in ("logThreads", "logProcesses", "logMultiprocessing", "logAsyncioTasks", "_srcfile"):
        setattr(logging, name, None)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
        _without_request,
    ]
    renderer: list[Any] = (
        [_traceback_as_json, _first_lines, _masked, structlog.processors.JSONRenderer(_as_json)]
        if json
        else [_masked, structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback), _masked_text]
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "structlog": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": shared,
                    "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
                },
            },
            "filters": {"no_handshakes": {"()": lambda: _is_no_handshake}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structlog"}},
            "root": {"handlers": ["stderr"], "level": level},
            "loggers": {
                # One line a request is written by our own middleware; the servers' own would hold no request id.
                "uvicorn.access": {"level": "WARNING"},
                # Its lines hold the whole address, and with it a ticket.
                "uvicorn.error": {"filters": ["no_handshakes"]},
                # Likewise one line a job, by the queue; Celery's three for each of beat's ticks would drown it.
                "celery.app.trace": {"level": "WARNING"},
                "celery.beat": {"level": "WARNING"},
                "celery.worker.strategy": {"level": "WARNING"},
                # The contract check tells what it found, and not which of its caches it read.
                "grimp": {"level": "WARNING"},
                # A 4xx is an answer, not an incident.
                "django.request": {"level": "ERROR"},
            },
        }
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared[:-2],
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
