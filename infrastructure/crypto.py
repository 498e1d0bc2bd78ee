"""Encryption of single values for columns that must not be readable in a dump."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from contextlib import suppress
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class DecryptionError(Exception):
    """A value that no configured key has written for this purpose, or that was changed since."""


def encrypt(plaintext: str, *, purpose: str) -> str:
    """Return a Fernet token made with the first of `FIELD_ENCRYPTION_KEYS`; each call gives another one.

    Args:
        plaintext: Any text.
        purpose: What the value is for, such as `users.phone`; it decrypts for the same purpose only.
    """
    return _cipher(tuple(settings.FIELD_ENCRYPTION_KEYS), purpose).encrypt(plaintext.encode()).decode("ascii")


def decrypt(ciphertext: str, *, purpose: str) -> str:
    """Return the text that `encrypt` was given, whichever of `FIELD_ENCRYPTION_KEYS` it used.

    Raises:
        DecryptionError: If no key fits, or a character was changed. Never says the value.
    """
    return _decrypt(tuple(settings.FIELD_ENCRYPTION_KEYS), ciphertext, purpose)


def position_of_key(ciphertext: str, *, purpose: str) -> int:
    """Return which of `FIELD_ENCRYPTION_KEYS` wrote the value; 0 is the one that `encrypt` uses.

    Raises:
        DecryptionError: As for `decrypt`.
    """
    for position, key in enumerate(settings.FIELD_ENCRYPTION_KEYS):
        with suppress(DecryptionError):
            _decrypt((key,), ciphertext, purpose)
            return position
    raise DecryptionError(f"A value of {purpose} fits no key.")


def _decrypt(keys: tuple[str, ...], ciphertext: str, purpose: str) -> str:
    try:
        _refuse_other_spellings(ciphertext)
        return _cipher(keys, purpose).decrypt(ciphertext).decode()
    except (InvalidToken, ValueError) as cause:
        raise DecryptionError(f"A value of {purpose} cannot be decrypted: wrong key, or changed.") from cause


def _refuse_other_spellings(token: str) -> None:
    # Python's decoder skips foreign characters and ignores unused bits: what was changed there would still decrypt.
    try:
        decoded = urlsafe_b64decode(token)
    except Base64Error as cause:
        raise InvalidToken from cause
    if urlsafe_b64encode(decoded).decode("ascii") != token:
        raise InvalidToken


@lru_cache(maxsize=256)
def _cipher(keys: tuple[str, ...], purpose: str) -> MultiFernet:
    return MultiFernet([Fernet(_derive(key, purpose)) for key in keys])


def _derive(key: str, purpose: str) -> bytes:
    # Refuses a key that is not 32 random bytes; derivation alone would make a good-looking key of any text.
    Fernet(key)
    # RFC 5869: the keys are random already, so no salt; the info separates the purposes.
    hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=f"layerline field {purpose}".encode())
    return urlsafe_b64encode(hkdf.derive(urlsafe_b64decode(key)))
