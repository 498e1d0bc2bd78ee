"""Changing the key of what is encrypted, beside everything else that goes on with the same rows."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import StringIO
from typing import Final

import pytest
from cryptography.fernet import Fernet
from django.conf import settings as current
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from pytest_django import Settings

from apps.common.fields import encrypted_columns
from apps.users.models import TotpDevice, User
from apps.users.selectors import UserSelector, account_cache
from apps.users.services import UserService
from apps.users.tests.factories import UserFactory
from apps.users.tests.support import redis_refusing, row
from infrastructure import crypto
from tests.infrastructure.queue.servers import database_url, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

OLD: Final = "b2xkLW9sZC1vbGQtb2xkLW9sZC1vbGQtb2xkLW9sZC0="
PHONE: Final = "+442079460000"


@pytest.fixture
def new_key(settings: Settings) -> str:
    """A key that nothing is encrypted with yet; whatever a test makes first is under the old one."""
    settings.FIELD_ENCRYPTION_KEYS = [OLD]
    return Fernet.generate_key().decode()


def _rotate(*arguments: str) -> str:
    said = StringIO()
    call_command("rotate_encryption_keys", *arguments, stdout=said)
    return said.getvalue()


def _phones() -> list[tuple[str, str]]:
    """Return the addresses and what stands in the table beside them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT email, phone FROM users ORDER BY id")
        return list(cursor.fetchall())


def test_the_columns_that_are_encrypted_are_known_without_a_list_of_them() -> None:
    purposes = [column.purpose for column in encrypted_columns()]

    assert {"users.phone", "users.pending_email", "totp_devices.secret", "idempotency_keys.answer"} <= set(purposes)
    assert len(set(purposes)) == len(purposes)


def test_every_column_is_encrypted_anew_and_nothing_else_of_its_row_changes(new_key: str, settings: Settings) -> None:
    user = UserFactory.create(phone=PHONE, pending_email="ada@example.org")
    device = TotpDevice.objects.create(user=user, secret="JBSWY3DPEHPK3PXP")
    before, device_before = row(user.pk), TotpDevice.objects.values().get()
    settings.FIELD_ENCRYPTION_KEYS = [new_key, OLD]

    _rotate()

    settings.FIELD_ENCRYPTION_KEYS = [new_key]
    after = row(user.pk)
    assert {name for name in after if after[name] != before[name]} == {"row_version"}
    assert TotpDevice.objects.values().get(pk=device.pk) == device_before
    assert (after["phone"], after["pending_email"]) == (PHONE, "ada@example.org")


def test_a_cached_account_is_readable_without_the_old_key_at_once(new_key: str, settings: Settings) -> None:
    user = UserFactory.create(phone=PHONE)
    UserSelector.by_id(user_id=user.pk)
    assert account_cache.look([user.pk]).found
    settings.FIELD_ENCRYPTION_KEYS = [new_key, OLD]

    _rotate()

    settings.FIELD_ENCRYPTION_KEYS = [new_key]
    assert UserSelector.by_id(user_id=user.pk).phone == PHONE


def test_without_redis_nothing_is_changed_since_a_cached_copy_would_outlive_the_old_key(
    new_key: str, settings: Settings
) -> None:
    UserFactory.create(phone=PHONE)
    before = _phones()
    settings.FIELD_ENCRYPTION_KEYS = [new_key, OLD]

    with redis_refusing(), pytest.raises(CommandError, match="Redis does not answer"):
        _rotate()

    assert _phones() == before


def test_a_write_that_a_rotation_meets_is_not_lost(new_key: str, settings: Settings) -> None:
    user = UserFactory.create(phone=PHONE)

    with ThreadPoolExecutor(1) as elsewhere:
        with transaction.atomic():
            # Under the old key, as by a process that was not restarted yet.
            UserService.update(actor=user, user_id=user.pk, changes={"phone": "+442079460001"})
            settings.FIELD_ENCRYPTION_KEYS = [new_key, OLD]
            rotation = elsewhere.submit(_rotate_and_disconnect)
            wait_until(_somebody_waits_for_a_row)
        rotation.result()

    settings.FIELD_ENCRYPTION_KEYS = [new_key]
    assert User.objects.get(pk=user.pk).phone == "+442079460001"
    assert UserSelector.by_id(user_id=user.pk).phone == "+442079460001"


def _rotate_and_disconnect() -> None:
    try:
        _rotate()
    finally:
        connections.close_all()


def _somebody_waits_for_a_row() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


@contextmanager
def _process(*arguments: str, keys: list[str]) -> Iterator["subprocess.Popen[str]"]:
    """Run the command in a process of its own until the end of the block."""
    variables = {
        "DJANGO_SETTINGS_MODULE": "tests.rotation_settings",
        "DATABASE_URL": database_url(),
        "TEST_REDIS_KEY_PREFIX": current.REDIS_KEY_PREFIX,
        "FIELD_ENCRYPTION_KEYS": ",".join(keys),
    }
    command = [sys.executable, "manage.py", "rotate_encryption_keys", *arguments]
    with subprocess.Popen(command, env=os.environ | variables, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _held_by(key: str) -> int:
    """Return how many of the phones in the table the key wrote."""
    return sum(crypto.position_of_key(phone, purpose="users.phone") == 0 for _, phone in _phones())


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.layers_off("ten thousand rows are looked at one by one")
def test_a_rotation_that_is_killed_half_way_is_resumed_and_the_old_key_can_go(new_key: str, settings: Settings) -> None:
    User.objects.bulk_create(
        User(email=f"user{number}@example.com", name="Ada", phone=f"+4420{number:08}") for number in range(10_000)
    )
    settings.FIELD_ENCRYPTION_KEYS = [new_key, OLD]

    with _process("--batch-size", "200", keys=[new_key, OLD]) as process:
        assert process.stdout is not None
        next(line for line in process.stdout if line.startswith("users.phone: 4,000 of"))
    half_way = _held_by(new_key)
    with pytest.raises(CommandError, match="remove none"):
        _rotate("--check")
    with _process(keys=[new_key, OLD]) as process:
        said, _ = process.communicate(timeout=100)
    assert process.returncode == 0

    assert 4_000 <= half_way < 10_000
    assert f"users.phone: {10_000 - half_way:,} of 10,000 values were encrypted anew" in said
    assert "the others can be removed" in _rotate("--check")
    settings.FIELD_ENCRYPTION_KEYS = [new_key]
    assert _held_by(new_key) == 10_000
    phones = User.objects.values_list("email", "phone")
    assert all(phone == f"+4420{int(email[4:-12]):08}" for email, phone in phones)
