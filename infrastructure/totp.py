"""Codes that change every half minute, as authenticator apps show them (TOTP, RFC 6238)."""

import secrets
from base64 import b32decode, b32encode
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.constant_time import bytes_eq
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.conf import settings

# What every app can do: six digits, half a minute, SHA-1, which as an HMAC is sound (RFC 6238, section 1.2).
DIGITS: Final = 6
STEP: Final = 30
# RFC 4226, section 4: 160 bits.
_SECRET_BYTES: Final = 20
# One step before and one after, for clocks that differ and people who type slowly (RFC 6238, section 5.2).
_STEPS_AROUND: Final = (0, -1, 1)


def new_secret() -> str:
    """Return a random secret in the base32 that people type into an app."""
    return b32encode(secrets.token_bytes(_SECRET_BYTES)).decode("ascii")


def otpauth_uri(secret: str, *, account: str) -> str:
    """Return what the QR code for an app holds.

    Args:
        secret: As `new_secret` made it.
        account: The name under which the app shows it, beside `MFA_ISSUER`.
    """
    uri = _totp(secret).get_provisioning_uri(account, settings.MFA_ISSUER)
    # Apps read the address as RFC 3986 has it, where a plus is no blank.
    return uri.replace("+", "%20")


def matching_step(secret: str, code: str, *, now: datetime, after: int | None = None) -> int | None:
    """Return the step whose code this is, or None if it is none of now.

    Args:
        secret: As `new_secret` made it.
        code: Six digits.
        now: The time by which the code is judged.
        after: The step of the last code that was taken: neither it nor an older one matches again (section 5.2).
    """
    totp, current = _totp(secret), int(now.timestamp()) // STEP
    typed = code.encode(errors="surrogatepass")
    for step in (current + offset for offset in _STEPS_AROUND):
        if (after is None or step > after) and bytes_eq(totp.generate(step * STEP), typed):
            return step
    return None


def _totp(secret: str) -> TOTP:
    return TOTP(b32decode(secret), DIGITS, SHA1(), STEP)  # noqa: S303  # see above
