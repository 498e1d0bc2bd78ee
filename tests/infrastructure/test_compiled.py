"""Queries that are put together once."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from apps.common.enums import Role
from apps.users.models import User
from apps.users.tests.factories import UserFactory
from infrastructure.postgres.compiled import CompiledQuery

pytestmark = pytest.mark.django_db


class Built:
    """A query, and how often it was put together."""

    def __init__(self, *columns: str, **conditions: Any) -> None:
        self.times = 0
        self._columns = columns
        self._conditions = conditions

    def __call__(self, user_id: UUID) -> QuerySet[User, tuple[Any, ...]]:
        self.times += 1
        return User.objects.filter(pk=user_id, **self._conditions).values_list(*self._columns)


def build(*columns: str, **conditions: Any) -> tuple[Built, CompiledQuery]:
    built = Built(*columns, **conditions)

    def of(user_id: UUID) -> QuerySet[User, tuple[Any, ...]]:
        return built(user_id)

    return built, CompiledQuery(of)


def test_it_finds_what_the_queryset_finds_and_is_put_together_once() -> None:
    built, query = build("name", "id", "created_at", is_active=True, token_version=1)
    users = [UserFactory.create(), UserFactory.create()]

    with CaptureQueriesContext(connection) as captured:
        found = [query.first(user_id=user.pk) for user in users]

    assert found == [(user.name, user.pk, user.created_at) for user in users]
    assert (built.times, len(captured)) == (1, 2)


def test_it_finds_nothing_where_nothing_is() -> None:
    _, query = build("name", is_active=False)

    assert query.first(user_id=uuid4()) is None
    assert query.first(user_id=UserFactory.create().pk) is None


def test_a_column_that_is_decrypted_in_python_is_refused() -> None:
    _, query = build("phone")

    with pytest.raises(TypeError, match="made in Python"):
        query.first(user_id=uuid4())


def test_a_text_that_could_be_taken_for_the_name_of_an_id_is_refused() -> None:
    _, query = build("name", role=Role.ADMIN)

    with pytest.raises(TypeError, match="no text besides its ids"):
        query.first(user_id=uuid4())
