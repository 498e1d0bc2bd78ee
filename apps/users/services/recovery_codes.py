"""Ways in without the app: ten codes, each for one use, shown once and stored as hashes."""

import secrets
from base64 import b32encode
from hashlib import sha256
from typing import Final
from uuid import UUID

from django.utils import timezone

from apps.users.models import RecoveryCode, User

_COUNT: Final = 10
# 80 bits, four groups of four: nobody guesses them, so a hash that is quick will do.
_BYTES: Final = 10
_GROUP: Final = 4


def replace_recovery_codes(user: User) -> list[str]:
    """Void the account's codes and return ten new ones; the account must be locked."""
    codes = [b32encode(secrets.token_bytes(_BYTES)).decode("ascii").lower() for _ in range(_COUNT)]
    user.recovery_codes.all().delete()
    RecoveryCode.objects.bulk_create(RecoveryCode(user=user, digest=_digest(user.pk, code)) for code in codes)
    return ["-".join(code[start : start + _GROUP] for start in range(0, len(code), _GROUP)) for code in codes]


def use_recovery_code(user: User, code: str) -> bool:
    """Use a code up and return whether it was good.

    Args:
        code: Without blanks and hyphens.
    """
    unused = user.recovery_codes.filter(digest=_digest(user.pk, code.lower()), used_at=None)
    return unused.update(used_at=timezone.now()) == 1


def _digest(user_id: UUID, code: str) -> str:
    # With the account in it, or one guess would be tried on the codes of all accounts at once.
    return sha256(f"{user_id}:{code}".encode(errors="surrogatepass")).hexdigest()
