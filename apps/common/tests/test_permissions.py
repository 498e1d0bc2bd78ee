from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from apps.common.enums import Role
from apps.common.permissions import IsAdminUser, IsOwnerOrAdmin
from apps.common.types import Anonymous

OWN = UUID("0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a10")
FOREIGN = UUID("0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a11")


def signed_in(role: str, **flags: bool) -> Any:
    return SimpleNamespace(user=SimpleNamespace(is_authenticated=True, id=OWN, role=role, **flags))


ANONYMOUS: Any = SimpleNamespace(user=Anonymous())


def at(**kwargs: Any) -> Any:
    return SimpleNamespace(kwargs=kwargs)


@pytest.mark.parametrize(("role", "allowed"), [("admin", True), ("moderator", False), ("user", False), ("", False)])
def test_only_the_role_admin_is_an_admin(role: str, *, allowed: bool) -> None:
    assert IsAdminUser().has_permission(signed_in(role), at()) is allowed
    assert IsAdminUser().has_permission(ANONYMOUS, at()) is False


@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
def test_flags_of_the_admin_site_give_no_right(role: Role) -> None:
    request = signed_in(role, is_staff=True, is_superuser=True)

    assert IsAdminUser().has_permission(request, at()) is False
    assert IsOwnerOrAdmin().has_permission(request, at(user_id=FOREIGN)) is False


@pytest.mark.parametrize(
    ("role", "address", "allowed"),
    [
        ("user", OWN, True),
        ("moderator", OWN, True),
        ("admin", OWN, True),
        ("user", FOREIGN, False),
        ("moderator", FOREIGN, False),
        ("admin", FOREIGN, True),
        # The address is a UUID once the route has read it; a text is no id.
        ("user", str(OWN), False),
    ],
)
def test_an_account_is_open_to_its_owner_and_to_admins(role: str, address: Any, *, allowed: bool) -> None:
    assert IsOwnerOrAdmin().has_permission(signed_in(role), at(user_id=address)) is allowed


def test_an_address_without_an_id_has_no_owner() -> None:
    assert IsOwnerOrAdmin().has_permission(signed_in("user"), at()) is False
    assert IsOwnerOrAdmin().has_permission(ANONYMOUS, at(user_id=OWN)) is False
    assert IsOwnerOrAdmin().has_permission(ANONYMOUS, at()) is False
