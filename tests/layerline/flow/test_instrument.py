import os
import subprocess
import sys
from typing import Any

import pytest
from celery.app.task import Task
from django.contrib.auth.models import Group
from django.core.handlers.base import BaseHandler
from django.db import connection, transaction
from django.db.transaction import Atomic
from redis import Redis
from redis.exceptions import ResponseError
from rest_framework.permissions import BasePermission
from rest_framework.views import APIView

from infrastructure import redis
from layerline.flow import instrument, stack
from layerline.flow.stack import Observer
from tests.layerline.flow.slices.shelf.services import ShelfService

# What a process of the project looks like after it has imported all that it serves with.
_SERVE = """
import django; django.setup()
import sys, config.wsgi, config.asgi, config.celery, config.urls
config.celery.app.loader.import_default_modules()
# redis-py imports the metrics of the SDK by itself, wherever it is installed.
ours = ("layerline.flow", "opentelemetry.sdk.trace", "opentelemetry.exporter")
print([name for name in sys.modules if name.startswith(ours)])
"""
_PLACES: list[tuple[Any, str]] = [
    (APIView, "dispatch"),
    (Atomic, "__enter__"),
    (Atomic, "__exit__"),
    (BaseHandler, "make_view_atomic"),
    (BasePermission, "has_permission"),
    (BasePermission, "__init_subclass__"),
    (Redis, "execute_command"),
    (Task, "__call__"),
    # Watched by a fixture, and so not put in place with the others.
    (ShelfService, "add"),
]


class Nobody(Observer):
    """Watches, and looks at nothing."""


def test_a_process_that_serves_does_not_even_import_it() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    command = [sys.executable, "-c", _SERVE]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=50)

    assert done.stdout.strip() == "[]"


@pytest.mark.django_db
def test_everything_is_as_before_when_the_last_observer_has_gone() -> None:
    observers = list(stack.observers)
    for observer in observers:
        instrument.uninstall(observer)
    try:
        before = [vars(owner).get(name) for owner, name in _PLACES]
        assert instrument.wrapped() == 0
        assert instrument._see_statement not in connection.execute_wrappers

        with instrument.installed(Nobody()), instrument.installed(Nobody()):
            during = [vars(owner).get(name) for owner, name in _PLACES[:-1]]
            assert all(now is not then for now, then in zip(during, before, strict=False))
            assert instrument._see_statement in connection.execute_wrappers

        assert [vars(owner).get(name) for owner, name in _PLACES] == before
        assert instrument.wrapped() == 0
        assert instrument._see_statement not in connection.execute_wrappers
    finally:
        for observer in observers:
            instrument.install(observer)


class Notes(Observer):
    def __init__(self) -> None:
        self.commands: list[tuple[str, str]] = []
        self.steps: list[str] = []
        self.statements: list[str] = []

    def command(self, name: str, keys: str, result: Any, started: float, error: BaseException | None) -> None:
        self.commands.append((name, keys))

    def transaction(self, step: str) -> None:
        self.steps.append(step)

    def statement(self, sql: str, started: float, error: BaseException | None) -> None:
        self.statements.append(sql)


def test_redis_commands_are_seen_with_their_key_and_without_values() -> None:
    notes = Notes()
    with instrument.installed(notes):
        redis.client().set(redis.key("seen"), "secret")
        pipeline = redis.client().pipeline()
        pipeline.get(redis.key("seen"))
        pipeline.execute()

    assert notes.commands == [("SET", redis.key("seen")), ("PIPELINE OF 1", "")]


@pytest.mark.django_db
def test_a_connection_that_is_opened_later_is_watched_and_whoever_wraps_one_takes_away_only_his_own() -> None:
    notes = Notes()
    with instrument.installed(notes):
        with connection.execute_wrapper(lambda execute, *args: execute(*args)):
            Group.objects.count()
        Group.objects.count()

    assert len(notes.statements) == 2


@transaction.atomic
def _add_in_vain() -> None:
    ShelfService.add(name="two")
    raise LookupError


@pytest.mark.django_db(transaction=True)
def test_transactions_are_seen_with_their_ends() -> None:
    notes = Notes()
    with instrument.installed(notes):
        ShelfService.add(name="one")
        with pytest.raises(LookupError):
            _add_in_vain()

    assert notes.steps == ["BEGIN", "COMMIT", "BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK"]


def test_a_class_that_is_made_later_is_watched_by_every_hook_of_its_base() -> None:
    with instrument.installed(Nobody()):

        class Late(APIView):
            def dispatch(self, *args: Any, **kwargs: Any) -> Any:
                return super().dispatch(*args, **kwargs)

            def check_throttles(self, request: Any) -> None:
                return super().check_throttles(request)

        assert hasattr(Late.dispatch, "__wrapped__")
        assert hasattr(Late.check_throttles, "__wrapped__")


def test_a_redis_command_that_fails_is_seen_with_its_error() -> None:
    errors: list[BaseException | None] = []

    class Errors(Observer):
        def command(self, name: str, keys: str, result: Any, started: float, error: BaseException | None) -> None:
            errors.append(error)

    redis.client().set(redis.key("text"), "no number")
    with instrument.installed(Errors()), pytest.raises(ResponseError):
        redis.client().incr(redis.key("text"))

    assert [type(error) for error in errors] == [ResponseError]
