"""Argon2id with its cost in the settings."""

from argon2 import Parameters
from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher


class Argon2idHasher(Argon2PasswordHasher):
    """Django's Argon2id hasher; hashes of another cost are replaced at the next login."""

    def params(self) -> Parameters:
        """Return the cost of `ARGON2_TIME_COST` (passes), `ARGON2_MEMORY_COST` (KiB) and `ARGON2_PARALLELISM`."""
        params: Parameters = super().params()
        params.time_cost = settings.ARGON2_TIME_COST
        params.memory_cost = settings.ARGON2_MEMORY_COST
        params.parallelism = settings.ARGON2_PARALLELISM
        return params
