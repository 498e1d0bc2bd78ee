"""Argon2id with its cost in the settings."""

from base64 import b64encode
from typing import Final

from argon2 import DEFAULT_HASH_LENGTH, Parameters
from argon2.low_level import ARGON2_VERSION
from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher

# As long as those that Django draws.
_SALT: Final = b64encode(b"nobody's password hash").decode("ascii").rstrip("=")
_DIGEST: Final = b64encode(bytes(DEFAULT_HASH_LENGTH)).decode("ascii").rstrip("=")


class Argon2idHasher(Argon2PasswordHasher):
    """Django's Argon2id hasher; hashes of another cost are replaced at the next login."""

    def params(self) -> Parameters:
        """Return the cost of `ARGON2_TIME_COST` (passes), `ARGON2_MEMORY_COST` (KiB) and `ARGON2_PARALLELISM`."""
        params: Parameters = super().params()
        params.time_cost = settings.ARGON2_TIME_COST
        params.memory_cost = settings.ARGON2_MEMORY_COST
        params.parallelism = settings.ARGON2_PARALLELISM
        return params


def nobodys_hash() -> str:
    """Return the hash of no password, which takes as long to refuse one as any account's of the present cost."""
    cost = f"m={settings.ARGON2_MEMORY_COST},t={settings.ARGON2_TIME_COST},p={settings.ARGON2_PARALLELISM}"
    return f"argon2$argon2id$v={ARGON2_VERSION}${cost}${_SALT}${_DIGEST}"
