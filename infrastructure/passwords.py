"""Argon2id with its cost in the settings, and no more hashing at once than leaves room for everybody else."""

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from argon2 import DEFAULT_HASH_LENGTH, Parameters
from argon2.low_level import ARGON2_VERSION
from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher, BCryptSHA256PasswordHasher

from infrastructure.gate import Gate, GateFull

# Seconds until somebody who waits for a turn is told to come again.
PATIENCE: Final = 2.0

_gate: Final = Gate()


class PasswordHashingBusy(Exception):  # noqa: N818  # named like the answer it becomes
    """More passwords are to be hashed than this process takes on."""


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

    def encode(self, password: str, salt: str) -> str:
        """Return the hash of a password.

        Raises:
            PasswordHashingBusy: If its turn does not come.
        """
        with _turn():
            return str(super().encode(password, salt))

    def verify(self, password: str, encoded: str) -> bool:
        """Tell whether a hash is that of a password.

        Raises:
            PasswordHashingBusy: If its turn does not come.
        """
        with _turn():
            return bool(super().verify(password, encoded))


class BcryptHasher(BCryptSHA256PasswordHasher):
    """Django's bcrypt hasher, for the hashes of former times."""

    def encode(self, password: str, salt: str) -> str:
        """Return the hash of a password; verifying comes here as well.

        Raises:
            PasswordHashingBusy: If its turn does not come.
        """
        with _turn():
            return str(super().encode(password, salt))


def nobodys_hash() -> str:
    """Return the hash of no password, which takes as long to refuse one as any account's of the present cost."""
    cost = f"m={settings.ARGON2_MEMORY_COST},t={settings.ARGON2_TIME_COST},p={settings.ARGON2_PARALLELISM}"
    return f"argon2$argon2id$v={ARGON2_VERSION}${cost}${_SALT}${_DIGEST}"


@contextmanager
def _turn() -> Iterator[None]:
    try:
        with _gate.entered(
            at_once=settings.PASSWORD_HASHES_AT_ONCE, waiting=settings.PASSWORD_HASHES_WAITING, seconds=PATIENCE
        ):
            yield
    except GateFull:
        raise PasswordHashingBusy("More passwords are to be hashed than this process takes on.") from None
