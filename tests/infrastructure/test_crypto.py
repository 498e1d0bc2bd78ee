from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from cryptography.fernet import Fernet
from pytest_django import Settings

from infrastructure.crypto import DecryptionError, decrypt, encrypt, position_of_key

PHONE = "+49 30 901820"


@pytest.mark.parametrize("text", [PHONE, "", "ü 🎈 \x00", "x" * 10_000, "gAAAAABl" + "A" * 92])
def test_what_was_encrypted_decrypts_to_the_same_text(text: str) -> None:
    token = encrypt(text, purpose="users.phone")

    assert token != text
    assert decrypt(token, purpose="users.phone") == text


def test_the_same_text_gives_two_ciphertexts() -> None:
    assert encrypt(PHONE, purpose="users.phone") != encrypt(PHONE, purpose="users.phone")


def test_a_ciphertext_is_encrypted_once_more_and_not_taken_for_done() -> None:
    once = encrypt(PHONE, purpose="users.phone")
    twice = encrypt(once, purpose="users.phone")

    assert decrypt(twice, purpose="users.phone") == once


def test_a_value_moved_to_another_column_does_not_decrypt() -> None:
    token = encrypt(PHONE, purpose="users.phone")

    with pytest.raises(DecryptionError, match=r"users\.fax"):
        decrypt(token, purpose="users.fax")


def test_every_key_decrypts_and_the_first_encrypts(settings: Settings) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.FIELD_ENCRYPTION_KEYS = [old]
    written_before = encrypt(PHONE, purpose="users.phone")

    settings.FIELD_ENCRYPTION_KEYS = [new, old]
    assert decrypt(written_before, purpose="users.phone") == PHONE
    written_after = encrypt(PHONE, purpose="users.phone")

    settings.FIELD_ENCRYPTION_KEYS = [new]
    assert decrypt(written_after, purpose="users.phone") == PHONE
    with pytest.raises(DecryptionError):
        decrypt(written_before, purpose="users.phone")


def test_the_configured_key_itself_decrypts_nothing(settings: Settings) -> None:
    key = Fernet.generate_key().decode()
    settings.FIELD_ENCRYPTION_KEYS = [key]
    token = encrypt(PHONE, purpose="users.phone")

    with pytest.raises(DecryptionError):
        decrypt(Fernet(key).encrypt(PHONE.encode()).decode(), purpose="users.phone")
    assert decrypt(token, purpose="users.phone") == PHONE


def test_a_change_of_any_character_is_noticed() -> None:
    token = encrypt("short", purpose="users.phone")

    for place, character in enumerate(token):
        changed = token[:place] + ("A" if character != "A" else "B") + token[place + 1 :]
        with pytest.raises(DecryptionError):
            decrypt(changed, purpose="users.phone")


@pytest.mark.parametrize("other", ["{}=", "{}\n", " {}", "{}!", "\u00e4{}", "!!!!{}", "{}AAAA"])
def test_another_spelling_of_a_ciphertext_is_a_changed_one(other: str) -> None:
    token = encrypt(PHONE, purpose="users.phone")

    with pytest.raises(DecryptionError):
        decrypt(other.format(token), purpose="users.phone")


def test_standard_base64_is_another_spelling() -> None:
    token = next(t for t in (encrypt(PHONE, purpose="users.phone") for _ in range(100)) if "-" in t or "_" in t)

    with pytest.raises(DecryptionError):
        decrypt(token.replace("-", "+").replace("_", "/"), purpose="users.phone")


@pytest.mark.parametrize("value", [PHONE, "", "gAAAAA", "a", "\u00e4", "\ud800"])
def test_a_text_that_was_never_encrypted_is_refused(value: str) -> None:
    with pytest.raises(DecryptionError):
        decrypt(value, purpose="users.phone")


def test_the_error_says_neither_value_nor_key(settings: Settings) -> None:
    with pytest.raises(DecryptionError) as raised:
        decrypt(PHONE, purpose="users.phone")

    assert PHONE not in str(raised.value)
    assert settings.FIELD_ENCRYPTION_KEYS[0] not in str(raised.value)


@pytest.mark.parametrize("key", ["c2hvcnQ=", "", urlsafe_b64encode(b"x" * 33).decode()])
def test_a_key_of_the_wrong_length_is_no_key(settings: Settings, key: str) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [key]

    with pytest.raises(ValueError, match="32 url-safe base64-encoded bytes"):
        encrypt(PHONE, purpose="users.phone")


def test_the_ciphertext_holds_no_piece_of_the_text() -> None:
    assert b"901820" not in urlsafe_b64decode(encrypt(PHONE, purpose="users.phone"))


def test_which_key_wrote_a_value_can_be_told(settings: Settings) -> None:
    keys = [Fernet.generate_key().decode() for _ in range(3)]
    written = []
    for key in keys:
        settings.FIELD_ENCRYPTION_KEYS = [key]
        written.append(encrypt(PHONE, purpose="users.phone"))
    settings.FIELD_ENCRYPTION_KEYS = keys[1:]

    assert [position_of_key(value, purpose="users.phone") for value in written[1:]] == [0, 1]
    with pytest.raises(DecryptionError, match=r"users\.phone"):
        position_of_key(written[0], purpose="users.phone")


@pytest.mark.parametrize("value", ["", "+442079460000", "gAAAA", "é"])
def test_what_is_no_ciphertext_was_written_by_none(value: str) -> None:
    with pytest.raises(DecryptionError):
        position_of_key(value, purpose="users.phone")
