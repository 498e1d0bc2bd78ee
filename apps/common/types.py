from typing import TYPE_CHECKING, Protocol
from uuid import UUID

if TYPE_CHECKING:
    from apps.common.enums import Role


class Actor(Protocol):
    """Whoever acts: all that one slice needs to know of another slice's user."""

    @property
    def id(self) -> UUID: ...

    @property
    def role(self) -> "Role | str": ...


class Anonymous:
    """The `request.user` of a request without credentials. It is no `Actor`: it has neither id nor role."""

    is_authenticated = False
    is_anonymous = True
