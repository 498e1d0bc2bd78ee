import time

import pytest
from django.contrib.auth.hashers import check_password, identify_hasher, make_password
from pytest_django import Settings

from infrastructure import passwords
from infrastructure.passwords import PATIENCE, Argon2idHasher, PasswordHashingBusy, nobodys_hash


@pytest.fixture(autouse=True)
def _cheap(settings: Settings) -> None:
    settings.ARGON2_TIME_COST = 2
    settings.ARGON2_MEMORY_COST = 16
    settings.ARGON2_PARALLELISM = 1


def test_a_new_hash_is_argon2id_at_the_cost_of_the_settings() -> None:
    assert make_password("correct horse").startswith("argon2$argon2id$v=19$m=16,t=2,p=1$")


def test_the_hasher_of_the_project_is_the_first() -> None:
    assert isinstance(identify_hasher(make_password("correct horse")), Argon2idHasher)


@pytest.mark.parametrize("password", ["correct horse", " spaces stay ", "🔑" * 32, "x" * 200 + "y"])
def test_only_the_same_password_verifies_to_its_last_character(password: str) -> None:
    encoded = make_password(password)

    assert check_password(password, encoded)
    assert not check_password(password[:-1], encoded)
    assert not check_password(password[:-1] + "z", encoded)
    assert not check_password(password + " ", encoded)


@pytest.mark.parametrize(
    ("setting", "value"), [("ARGON2_TIME_COST", 3), ("ARGON2_MEMORY_COST", 32), ("ARGON2_PARALLELISM", 2)]
)
def test_a_hash_of_another_cost_verifies_and_is_replaced(settings: Settings, setting: str, value: int) -> None:
    encoded = make_password("correct horse")
    assert not Argon2idHasher().must_update(encoded)
    replacements: list[str] = []

    setattr(settings, setting, value)

    assert check_password("correct horse", encoded, setter=replacements.append)
    assert replacements == ["correct horse"]


def test_a_bcrypt_hash_verifies_and_is_replaced() -> None:
    encoded = make_password("correct horse", hasher="bcrypt_sha256")
    replacements: list[str] = []

    assert not check_password("wrong horse", encoded, setter=replacements.append)
    assert replacements == []
    assert check_password("correct horse", encoded, setter=replacements.append)
    assert replacements == ["correct horse"]


def test_the_hash_of_nobody_has_the_shape_and_the_cost_of_every_other_and_no_password() -> None:
    nobodys, somebodys = nobodys_hash(), make_password("correct horse")

    assert len(nobodys) == len(somebodys)
    assert nobodys.rpartition("$")[0].rpartition("$")[0] == somebodys.rpartition("$")[0].rpartition("$")[0]
    assert not Argon2idHasher().must_update(nobodys)
    for password in ("", "nobody's password hash", "correct horse"):
        assert not check_password(password, nobodys)


@pytest.mark.parametrize("hasher", ["argon2", "bcrypt_sha256"])
def test_where_no_more_may_be_hashed_at_once_and_wait_the_next_is_turned_away(settings: Settings, hasher: str) -> None:
    encoded = make_password("correct horse", hasher=hasher)
    settings.PASSWORD_HASHES_AT_ONCE, settings.PASSWORD_HASHES_WAITING = 1, 0

    with passwords._turn():
        with pytest.raises(PasswordHashingBusy):
            make_password("correct horse", hasher=hasher)
        with pytest.raises(PasswordHashingBusy):
            check_password("correct horse", encoded)
    assert check_password("correct horse", encoded)


def test_whoever_waits_too_long_for_a_turn_is_told(settings: Settings) -> None:
    settings.PASSWORD_HASHES_AT_ONCE, settings.PASSWORD_HASHES_WAITING = 1, 1

    with passwords._turn():
        began = time.monotonic()
        with pytest.raises(PasswordHashingBusy):
            make_password("correct horse")
        assert PATIENCE <= time.monotonic() - began < PATIENCE + 1
