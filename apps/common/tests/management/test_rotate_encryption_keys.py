from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from apps.common.fields import reencrypted
from apps.common.models import IdempotencyKey
from infrastructure.redis import RedisUnavailable

pytestmark = pytest.mark.django_db

COLUMN = "idempotency_keys.answer"


@pytest.fixture
def new_key(settings: Settings) -> str:
    """A key that nothing is encrypted with yet, put before the one that all is encrypted with."""
    key = Fernet.generate_key().decode()
    settings.FIELD_ENCRYPTION_KEYS = [key, *settings.FIELD_ENCRYPTION_KEYS]
    return key


@pytest.fixture
def rows(db: None) -> list[IdempotencyKey]:
    """Ten answers, encrypted with the first key of the moment at which the fixture is asked for."""
    return IdempotencyKey.objects.bulk_create(_row(answer=f"answer {number}") for number in range(10))


def _row(*, answer: str) -> IdempotencyKey:
    return IdempotencyKey(user_id=uuid4(), route="r", digest=str(uuid4()), fingerprint="f", answer=answer)


def _rotate(*arguments: str) -> tuple[list[str], list[str]]:
    """Run the command, and return the lines of what it said and of what it complained about."""
    said, complained = StringIO(), StringIO()
    call_command("rotate_encryption_keys", *arguments, stdout=said, stderr=complained)
    return said.getvalue().splitlines(), complained.getvalue().splitlines()


def _stored() -> dict[UUID, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, answer FROM idempotency_keys ORDER BY id")
        return dict(cursor.fetchall())


def _break(row: IdempotencyKey, text: str = "gAAAAABnot-a-token") -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE idempotency_keys SET answer = %s WHERE id = %s", [text, row.pk])


def _answers() -> list[Any]:
    return list(IdempotencyKey.objects.order_by("id").values_list("answer", flat=True))


@contextmanager
def _listening(receiver: Callable[..., None]) -> Iterator[None]:
    reencrypted.connect(receiver, sender=IdempotencyKey)
    try:
        yield
    finally:
        reencrypted.disconnect(receiver, sender=IdempotencyKey)


def test_every_value_is_readable_before_and_after_and_without_the_old_key(
    rows: list[IdempotencyKey], new_key: str, settings: Settings
) -> None:
    before = _stored()

    said, complained = _rotate()

    assert f"{COLUMN}: 10 of 10 values were encrypted anew" in said
    assert complained == []
    assert _answers() == [f"answer {number}" for number in range(10)]
    settings.FIELD_ENCRYPTION_KEYS = [new_key]
    assert _answers() == [f"answer {number}" for number in range(10)]
    assert not set(_stored().values()) & set(before.values())


def test_what_the_first_key_wrote_is_left_as_it_is(rows: list[IdempotencyKey], new_key: str) -> None:
    _row(answer="new").save()
    _rotate()
    before = _stored()

    said, _ = _rotate()

    assert f"{COLUMN}: 0 of 11 values were encrypted anew" in said
    assert _stored() == before


def test_any_size_of_a_batch_will_do(rows: list[IdempotencyKey], new_key: str, settings: Settings) -> None:
    said, _ = _rotate("--batch-size", "3")

    assert f"{COLUMN}: 10 of 10 values were encrypted anew" in said
    settings.FIELD_ENCRYPTION_KEYS = [new_key]
    assert len(_answers()) == 10


def test_how_far_it_is_is_told_in_lines_where_nobody_watches(rows: list[IdempotencyKey], new_key: str) -> None:
    said, _ = _rotate("--batch-size", "3")

    assert [line for line in said if " of " in line and "values" not in line] == [
        f"{COLUMN}: {done} of 10" for done in (3, 6, 9, 10)
    ]


@pytest.mark.parametrize("size", ["0", "-1", "x", "10000", "1.5", ""])
def test_a_size_that_is_none_is_refused(rows: list[IdempotencyKey], size: str) -> None:
    with pytest.raises(CommandError, match="must be a whole number from 1 to 9999"):
        _rotate("--batch-size", size)


def test_a_dry_run_tells_what_would_be_changed_and_changes_nothing(rows: list[IdempotencyKey], new_key: str) -> None:
    before = _stored()

    said, _ = _rotate("--dry-run")

    assert f"{COLUMN}: 10 of 10 values would be encrypted anew" in said
    assert _stored() == before


def test_a_check_tells_what_each_key_holds_and_fails_until_the_first_one_holds_all(
    rows: list[IdempotencyKey], new_key: str
) -> None:
    _row(answer="new").save()
    before, said = _stored(), StringIO()

    with pytest.raises(CommandError, match=r"Not every value .* remove none") as caught:
        call_command("rotate_encryption_keys", "--check", stdout=said)

    table = {line.split()[0]: line.split()[1:] for line in said.getvalue().splitlines()}
    assert (caught.value.returncode, table[COLUMN]) == (1, ["1", "10", "0"])
    assert _stored() == before
    _rotate()
    said_then, _ = _rotate("--check")
    assert said_then[-1] == "Every value is encrypted with the first key: the others can be removed."


def test_where_nothing_is_encrypted_there_is_nothing_to_do(new_key: str) -> None:
    assert f"{COLUMN}: 0 of 0 values were encrypted anew" in _rotate()[0]
    assert _rotate("--check")[0][-1] == "Every value is encrypted with the first key: the others can be removed."


def test_a_value_that_no_key_fits_is_named_and_the_rest_goes_on(
    rows: list[IdempotencyKey], new_key: str, settings: Settings
) -> None:
    _break(rows[4])
    said, complained = StringIO(), StringIO()

    with pytest.raises(CommandError, match="1 values fit no key, and are as they were") as caught:
        call_command("rotate_encryption_keys", "--batch-size", "2", stdout=said, stderr=complained)

    assert caught.value.returncode == 1
    assert complained.getvalue() == f"{COLUMN} of {rows[4].pk}: no key fits\n"
    assert f"{COLUMN}: 9 of 10 values were encrypted anew" in said.getvalue()
    assert _stored()[rows[4].pk] == "gAAAAABnot-a-token"
    settings.FIELD_ENCRYPTION_KEYS = [new_key]
    rest = IdempotencyKey.objects.exclude(pk=rows[4].pk).order_by("id")
    assert [row.answer for row in rest] == [f"answer {number}" for number in range(10) if number != 4]


def test_a_value_that_no_key_fits_keeps_the_old_key_from_being_removed(
    rows: list[IdempotencyKey], new_key: str
) -> None:
    _break(rows[0])

    with pytest.raises(CommandError, match="remove none"):
        _rotate("--check")


def test_of_many_values_that_no_key_fits_a_hundred_are_named(new_key: str) -> None:
    _row(answer="good").save()
    for row in IdempotencyKey.objects.bulk_create(_row(answer="bad") for _ in range(150)):
        _break(row)
    complained = StringIO()

    with pytest.raises(CommandError, match="150 values fit no key"):
        call_command("rotate_encryption_keys", "--batch-size", "70", stdout=StringIO(), stderr=complained)

    assert len(complained.getvalue().splitlines()) == 100


@pytest.mark.parametrize("arguments", [[], ["--check"], ["--dry-run"]])
def test_with_foreign_keys_nothing_is_even_begun(
    rows: list[IdempotencyKey], settings: Settings, arguments: list[str]
) -> None:
    before = _stored()
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode() for _ in range(2)]
    complained = StringIO()

    with pytest.raises(CommandError, match="None of 10 values fits a key of FIELD_ENCRYPTION_KEYS") as caught:
        call_command("rotate_encryption_keys", *arguments, stdout=StringIO(), stderr=complained)

    assert "Nothing was changed" in str(caught.value)
    assert complained.getvalue() == ""
    assert _stored() == before


def test_an_empty_text_is_no_value(rows: list[IdempotencyKey], new_key: str) -> None:
    _break(rows[0], "")

    assert f"{COLUMN}: 9 of 9 values were encrypted anew" in _rotate()[0]
    assert _stored()[rows[0].pk] == ""


def test_a_text_beyond_todays_limit_is_encrypted_anew_all_the_same(
    rows: list[IdempotencyKey], new_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(IdempotencyKey._meta.get_field("answer"), "max_length", 3)

    assert f"{COLUMN}: 10 of 10 values were encrypted anew" in _rotate()[0]


@pytest.mark.django_db(transaction=True)
def test_whoever_keeps_copies_hears_of_each_batch_before_its_commit_and_may_stop_it(
    rows: list[IdempotencyKey], new_key: str
) -> None:
    heard: list[list[UUID]] = []

    def listen(column: str, keys: list[UUID], **_: Any) -> None:
        assert column == "answer"
        assert connection.in_atomic_block
        heard.append(keys)
        if len(heard) == 2:
            raise RedisUnavailable

    with _listening(listen), pytest.raises(CommandError, match="Redis does not answer"):
        _rotate("--batch-size", "4")

    keys = [row.pk for row in rows]
    assert heard == [keys[:4], keys[4:8]]
    assert f"{COLUMN}: 6 of 10 values were encrypted anew" in _rotate()[0]
