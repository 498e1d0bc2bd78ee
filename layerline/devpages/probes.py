"""What runs beside this process: asks each service for its version, all at once, and waits for none for long."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from importlib.metadata import version
from time import perf_counter
from typing import Final

from celery import Celery
from django.conf import settings
from django.db import DatabaseError, connection
from kombu.exceptions import KombuError
from redis import Redis
from redis.exceptions import RedisError

# Together below the second after which the page stops waiting.
ANSWER_WITHIN_SECONDS: Final = 0.9
_WORKER_ANSWERS_WITHIN_SECONDS: Final = 0.6
# Otherwise kombu tries again for seconds to reach a broker that is away.
_ONE_TRY: Final = {"max_retries": 1, "interval_start": 0, "interval_step": 0}


class NoAnswerError(Exception):
    """The service is away, or answers something else than it should."""


@dataclass(frozen=True, slots=True)
class State:
    """How one service is.

    Args:
        service: Its name in lower case, as the page knows it.
        version: The product and its version; empty where it does not answer.
        milliseconds: How long the answer took; None where there was none.
    """

    service: str
    up: bool
    version: str = ""
    milliseconds: float | None = None


def states() -> list[State]:
    """Return the state of every service, in less than a second whatever hangs."""
    probes = {"database": postgresql, "redis": redis, "worker": worker}
    # Left without waiting: a probe that hangs ends by its own time-out, long after the answer is out.
    executor = ThreadPoolExecutor(len(probes), thread_name_prefix="devpages-probe")
    futures = {service: executor.submit(_timed, probe) for service, probe in probes.items()}
    wait(futures.values(), timeout=ANSWER_WITHIN_SECONDS)
    executor.shutdown(wait=False)
    return [_state(service, future) for service, future in futures.items()]


def postgresql() -> str:
    """Return PostgreSQL's name and version.

    Raises:
        NoAnswerError: If it is away.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW server_version")
            row = cursor.fetchone()
    except DatabaseError as error:
        raise NoAnswerError from error
    finally:
        # The connection belongs to this thread, which ends now.
        connection.close()
    return f"PostgreSQL {str(row[0]).split()[0]}"


def redis() -> str:
    """Return the name and version of Redis, or of the Valkey that stands in its place.

    Raises:
        NoAnswerError: If it is away.
    """
    limit = ANSWER_WITHIN_SECONDS / 2
    try:
        with Redis.from_url(settings.REDIS_URL, socket_connect_timeout=limit, socket_timeout=limit) as client:
            server = client.info("server")
    except RedisError as error:
        raise NoAnswerError from error
    if "valkey_version" in server:
        return f"Valkey {server['valkey_version']}"
    return f"Redis {server['redis_version']}"


def worker() -> str:
    """Return Celery's name and version if at least one worker answers a ping.

    Raises:
        NoAnswerError: If none does, or the broker is away.
    """
    # An application of its own: the project's is current only in the thread that made it.
    application = Celery("devpages", set_as_current=False)
    application.config_from_object("django.conf:settings", namespace="CELERY")
    application.conf.broker_transport_options = application.conf.broker_transport_options | _ONE_TRY
    try:
        replies = application.control.ping(timeout=_WORKER_ANSWERS_WITHIN_SECONDS, limit=1)
    except (KombuError, RedisError, OSError) as error:
        raise NoAnswerError from error
    finally:
        application.close()
    if not replies:
        raise NoAnswerError
    return f"Celery {version('celery')}"


def _timed(probe: Callable[[], str]) -> tuple[str, float]:
    started = perf_counter()
    answer = probe()
    return answer, round((perf_counter() - started) * 1_000, 1)


def _state(service: str, future: Future[tuple[str, float]]) -> State:
    if not future.done() or isinstance(future.exception(), NoAnswerError):
        return State(service, up=False)
    answer, milliseconds = future.result()
    return State(service, up=True, version=answer, milliseconds=milliseconds)
