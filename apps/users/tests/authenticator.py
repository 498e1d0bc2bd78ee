"""An app that shows codes, written from RFC 6238 and not with the project's own code."""

import hmac
import time
from base64 import b32decode
from dataclasses import dataclass

from django.utils import timezone

from apps.users.models import TotpDevice, User
from apps.users.services.recovery_codes import replace_recovery_codes
from infrastructure import totp


@dataclass(frozen=True)
class Authenticator:
    """What the owner of an account has at hand."""

    secret: str
    recovery_codes: list[str]

    def code(self, steps: int = 0) -> str:
        """Return the code that the app shows now, or some steps of half a minute later."""
        return code_at(self.secret, int(time.time()) // 30 + steps)

    def wrong_code(self) -> str:
        """Return six digits that are the code of no step that could be meant."""
        near = {self.code(steps) for steps in range(-3, 4)}
        return next(code for code in ("000000", "111111", *map(str, range(222_222, 222_240))) if code not in near)


def code_at(secret: str, step: int) -> str:
    """Return the code of a step: RFC 4226, section 5.3."""
    digest = hmac.digest(b32decode(secret), step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 0xF
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
    return f"{number % 1_000_000:06d}"


def with_authenticator(user: User) -> Authenticator:
    """Give the account a second factor that was turned on long ago: no code of it was used yet."""
    secret = totp.new_secret()
    TotpDevice.objects.create(user=user, secret=secret, confirmed_at=timezone.now())
    return Authenticator(secret=secret, recovery_codes=replace_recovery_codes(user))
