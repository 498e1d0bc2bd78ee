from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final
from uuid import UUID

from django.dispatch import Signal

from infrastructure import crypto
from infrastructure.ratelimit import Verdict

# What the key of the column is derived for: EncryptedCharField.purpose.
PHONE_PURPOSE: Final = "users.phone"
# Sent inside the transaction that closes or erases an account, whose row is held, with `user_id` and `erased`. Other
# slices connect to it what they have to do then; what they raise undoes it all.
account_closed: Final = Signal()


def avatar_path(user_id: UUID, avatar: str) -> str | None:
    """Return where the picture of an account is, for frames as for answers; None without one."""
    return f"/api/v1/users/{user_id}/avatar/" if avatar else None


@dataclass(frozen=True, slots=True)
class Account:
    """One user as it stands, read-only: what reading hands out, from the cache as from the database.

    It holds the phone as ciphertext, so that no copy of it tells the number.
    """

    id: UUID
    email: str = field(repr=False)
    name: str = field(repr=False)
    phone_ciphertext: str | None = field(repr=False)
    role: str
    is_active: bool
    is_staff: bool
    email_verified_at: datetime | None
    avatar: str
    token_version: int
    row_version: int
    created_at: datetime
    updated_at: datetime

    is_authenticated: ClassVar[bool] = True
    is_anonymous: ClassVar[bool] = False

    @property
    def phone(self) -> str | None:
        """The number in clear text.

        Raises:
            DecryptionError: If no configured key fits.
        """
        return crypto.decrypt(self.phone_ciphertext, purpose=PHONE_PURPOSE) if self.phone_ciphertext else None

    @property
    def email_verified(self) -> bool:
        return self.email_verified_at is not None


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session that has not been ended, as far as the door asks."""

    user_id: UUID
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whom an access token speaks for, or a ticket that was made with it.

    Args:
        version: The account's token version at that time.
        expires_at: When the access token ends.
    """

    user_id: UUID
    session_id: UUID
    version: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Admitted:
    """A caller who is signed in: `request.auth` of the views.

    Args:
        verdict: On the limits that were to be counted; None if Redis is away.
    """

    account: Account
    bearer: Bearer
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class Ticket:
    """Opens one socket, once; `expires_in` in seconds."""

    ticket: str
    expires_in: int


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client receives when it signs in or refreshes."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    expires_in: int
    token_type: str = "Bearer"  # noqa: S105  # the scheme's name, RFC 6750


@dataclass(frozen=True, slots=True)
class LinkMail:
    """A mail with a link, as it is to be sent."""

    to: str = field(repr=False)
    name: str = field(repr=False)
    link: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a client receives instead, when the password was right and a code is still to come."""

    mfa_token: str = field(repr=False)
    expires_in: int
    mfa_required: bool = True


@dataclass(frozen=True, slots=True)
class MfaSetup:
    """What an app needs to know: typed in, or as the QR code of the address."""

    secret: str = field(repr=False)
    otpauth_uri: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class MfaStatus:
    """Whether an account has a second factor, and how many of its recovery codes are unused."""

    enabled: bool
    recovery_codes_left: int
