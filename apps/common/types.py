from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

if TYPE_CHECKING:
    from apps.common.enums import Role


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


class Anonymous:
    """The `request.user` of a request without credentials. It is no `Actor`: it has neither id nor role."""

    is_authenticated = False
    is_anonymous = True
