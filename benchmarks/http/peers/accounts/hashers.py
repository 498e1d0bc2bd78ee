import os

from argon2 import Parameters
from django.contrib.auth.hashers import Argon2PasswordHasher


class EqualArgon2Hasher(Argon2PasswordHasher):
    """Argon2id at the cost of the project that the peers are compared with."""

    time_cost, memory_cost, parallelism = (int(number) for number in os.environ["ARGON2_COST"].split(","))

    def params(self) -> Parameters:
        params: Parameters = super().params()
        params.parallelism = self.parallelism
        return params
