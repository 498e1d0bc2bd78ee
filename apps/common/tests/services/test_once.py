import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Final, NoReturn
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Group
from django.db import connection, connections
from django.utils import timezone

from apps.common.exceptions import KeyReusedError, StillRunningError
from apps.common.models import IdempotencyKey
from apps.common.services import IdempotencyService
from apps.common.types import Attempt

pytestmark = pytest.mark.django_db

USER: Final = uuid4()


class BrokenError(Exception):
    pass


def _attempt(*, user_id: UUID = USER, route: str = "groups/", key: str = "k-1", content: str = "a group") -> Attempt:
    return Attempt(user_id=user_id, route=route, key=key, content=content)


def _make_group() -> list[int]:
    return [Group.objects.create(name=str(uuid4())).pk]


def _once(attempt: Attempt) -> list[int]:
    """Make a group once, and return its key in a list, which is kept as JSON."""
    answer: list[int] = IdempotencyService.once(attempt=attempt, work=_make_group, keep=json.dumps, restore=json.loads)
    return answer


def test_a_second_attempt_gets_what_the_first_one_made() -> None:
    first, second = _once(_attempt()), _once(_attempt())

    assert first == second == list(Group.objects.values_list("pk", flat=True))


@pytest.mark.parametrize(
    "other",
    [{"user_id": uuid4()}, {"route": "teams/"}, {"key": "k-2"}, {"key": "K-1"}],
    ids=lambda other: next(iter(other)),
)
def test_another_user_route_or_key_is_another_attempt(other: dict[str, str]) -> None:
    assert _once(_attempt()) != _once(_attempt(**other))  # type: ignore[arg-type]  # of the parameter's own type
    assert Group.objects.count() == 2


def test_a_key_that_stands_for_another_content_is_refused() -> None:
    _once(_attempt())

    with pytest.raises(KeyReusedError):
        _once(_attempt(content="another group"))

    assert Group.objects.count() == 1


def test_an_answer_that_is_not_to_be_kept_leaves_the_key_as_good_as_new() -> None:
    for _ in range(2):
        IdempotencyService.once(attempt=_attempt(), work=_make_group, keep=lambda _: None, restore=json.loads)

    assert (Group.objects.count(), IdempotencyKey.objects.count()) == (2, 0)


@pytest.mark.django_db(transaction=True)
def test_an_error_undoes_the_work_and_leaves_the_key_as_good_as_new() -> None:
    def fail(*_: object) -> NoReturn:
        _make_group()
        raise BrokenError

    with pytest.raises(BrokenError):
        IdempotencyService.once(attempt=_attempt(), work=fail, keep=json.dumps, restore=json.loads)
    with pytest.raises(BrokenError):
        IdempotencyService.once(attempt=_attempt(), work=_make_group, keep=fail, restore=json.loads)

    assert (Group.objects.count(), IdempotencyKey.objects.count()) == (0, 0)
    assert _once(_attempt()) == list(Group.objects.values_list("pk", flat=True))


def test_after_a_day_a_key_is_as_good_as_new() -> None:
    first = _once(_attempt())
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=23, minutes=59))
    assert _once(_attempt()) == first
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=24, minutes=1))

    second = _once(_attempt(content="another group"))

    assert second != first
    assert _once(_attempt(content="another group")) == second
    assert IdempotencyKey.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_while_the_first_attempt_runs_a_second_one_is_refused_and_another_key_is_not() -> None:
    def elsewhere(attempt: Attempt) -> list[int]:
        try:
            return _once(attempt)
        finally:
            connections.close_all()

    def work() -> list[int]:
        with ThreadPoolExecutor(1) as other_connection:
            with pytest.raises(StillRunningError):
                other_connection.submit(elsewhere, _attempt()).result()
            assert other_connection.submit(elsewhere, _attempt(key="k-2")).result()
        return _make_group()

    first: list[int] = IdempotencyService.once(attempt=_attempt(), work=work, keep=json.dumps, restore=json.loads)

    assert _once(_attempt()) == first
    assert Group.objects.count() == 2


def test_neither_key_nor_content_nor_answer_can_be_read_in_the_table() -> None:
    IdempotencyService.once(
        attempt=_attempt(key="canary-key", content="canary-content"),
        work=str,
        keep=lambda _: "canary-answer",
        restore=str,
    )

    with connection.cursor() as cursor:
        cursor.execute("SELECT idempotency_keys::text FROM idempotency_keys")
        [(row,)] = cursor.fetchall()
    assert str(USER) in row
    assert "canary" not in row


def test_an_attempt_shows_neither_key_nor_content() -> None:
    assert "canary" not in repr(_attempt(key="canary-key", content="canary-content"))
