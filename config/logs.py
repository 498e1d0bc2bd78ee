"""structlog for our own lines and for those of every library: JSON in production, readable in local use."""

import logging.config
from collections.abc import MutableMapping
from typing import Any

import structlog

# Never with local variables, as both renderers would have it by themselves: those hold passwords and tokens.
_traceback_as_json = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)


def _without_request(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take away the request that Django adds to its lines: its query string may be personal."""
    event.pop("request", None)
    return event


def configure(*, level: str, json: bool) -> None:
    """Send every log line through structlog to standard error.

    Args:
        level: The lowest level that is written.
        json: One JSON object a line if true, coloured text for a person if not.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
        _without_request,
    ]
    renderer: list[Any] = (
        [_traceback_as_json, structlog.processors.JSONRenderer()]
        if json
        else [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
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
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structlog"}},
            "root": {"handlers": ["stderr"], "level": level},
            "loggers": {
                # One line a request is written by our own middleware; the servers' own would hold no request id.
                "uvicorn.access": {"level": "WARNING"},
                # Likewise one line a job, by the queue; Celery's three for each of beat's ticks would drown it.
                "celery.app.trace": {"level": "WARNING"},
                "celery.beat": {"level": "WARNING"},
                "celery.worker.strategy": {"level": "WARNING"},
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
