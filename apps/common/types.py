from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import UUID

from apps.common.exceptions import AuthenticationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from apps.common.enums import Role
    from infrastructure.ratelimit import Limit, Verdict


# Pushed to `account_group`: whoever has a socket there is signed in no longer, or with another role.
ACCOUNT_CHANGED: Final = {"type": "account.changed"}


def account_group(user_id: UUID) -> str:
    """Return the name of the group in which each process hears of an account that has sockets there."""
    return f"account.{user_id.hex}"


class Actor(Protocol):
    """Whoever acts: all that one slice needs to know of another slice's user."""

    @property
    def id(self) -> UUID: ...

    @property
    def role(self) -> "Role | str": ...


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at what is to be done once.

    Args:
        user_id: Whose key it is; another user's equal one is another key.
        route: Where the key is good; elsewhere an equal one is another key.
        key: What all tries have in common.
        content: All that is asked for, in one spelling.
    """

    user_id: UUID
    route: str
    key: str = field(repr=False)
    content: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class EncryptedValue:
    """Where an encrypted value stands, and what it was written with.

    Args:
        row: Its row's key.
        key: The position of its key in FIELD_ENCRYPTION_KEYS, or None if none of them fits.
    """

    row: Any
    key: int | None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Whom a socket speaks for.

    Args:
        bearer: What the slice that has signed him in knows him by.
        expires_at: When that ends.
        verdict: On the limits that were to be counted; None if Redis is away.
    """

    actor: Actor
    session_id: UUID
    bearer: Any
    expires_at: datetime
    verdict: "Verdict | None" = None


class SocketDoor(Protocol):
    """Who signs in whoever opens a socket: another slice, which apps.common does not know.

    Who is not let in gets an AuthenticationError.
    """

    def by_token(self, token: str) -> SignedIn:
        """Return whom an access token speaks for."""

    def by_ticket(self, ticket: str) -> SignedIn:
        """Return whom a ticket speaks for, which it does once."""

    def again(self, callers: "Sequence[tuple[SignedIn, Sequence[Limit]]]") -> list[SignedIn | AuthenticationError]:
        """Return, of each of several, the same as he is now, with the verdict on the limits, or why he is refused."""

    def standing(self, signed_in: "Sequence[SignedIn]") -> list[SignedIn | AuthenticationError]:
        """Return, of each of several, the same as the database has him now, or why he is refused."""


class Anonymous:
    """The `request.user` of a request without credentials. It is no `Actor`: it has neither id nor role."""

    is_authenticated = False
    is_anonymous = True
