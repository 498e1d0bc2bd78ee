from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.users.filters import UserFilter
from apps.users.models import User
from apps.users.selectors import UserSelector
from apps.users.tests.factories import AdminFactory, UserFactory

pytestmark = pytest.mark.django_db


def _names(**query: str) -> list[str]:
    found = UserFilter(query, queryset=UserSelector.listing())
    assert found.is_valid(), found.errors
    return [user.name for user in found.qs]


def _errors(**query: str) -> dict[str, Any]:
    return dict(UserFilter(query, queryset=UserSelector.listing()).errors)


@pytest.fixture(autouse=True)
def _accounts() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    for day, (factory, name, values) in enumerate(
        [(UserFactory, "Ada", {}), (AdminFactory, "Bob", {}), (UserFactory, "Cleo", {"is_active": False})]
    ):
        user = factory.create(name=name, email=f"{name.lower()}@{'zyx'[day]}.example", **values)
        User.objects.filter(pk=user.pk).update(created_at=moment + timedelta(days=day))


def test_without_a_parameter_all_come_newest_first() -> None:
    assert _names() == ["Cleo", "Bob", "Ada"]


def test_each_parameter_narrows_and_together_they_narrow_further() -> None:
    assert _names(role="user") == ["Cleo", "Ada"]
    assert _names(is_active="true") == ["Bob", "Ada"]
    assert _names(is_active="false") == ["Cleo"]
    assert _names(search="exam") == ["Cleo", "Bob", "Ada"]
    assert _names(search="ada") == ["Ada"]
    assert _names(created_after="2026-01-01T00:00:00Z") == ["Cleo", "Bob"]
    assert _names(role="user", is_active="true", search="exam") == ["Ada"]


@pytest.mark.parametrize(
    ("ordering", "names"),
    [
        ("name", ["Ada", "Bob", "Cleo"]),
        ("-name", ["Cleo", "Bob", "Ada"]),
        ("email", ["Ada", "Bob", "Cleo"]),
        ("created_at", ["Ada", "Bob", "Cleo"]),
        ("-created_at", ["Cleo", "Bob", "Ada"]),
    ],
)
def test_the_declared_fields_order(ordering: str, names: list[str]) -> None:
    assert _names(ordering=ordering) == names


@pytest.mark.parametrize("field", ["id", "updated_at", "password", "phone", "role", "token_version", "is_staff", "?"])
def test_no_other_field_orders(field: str) -> None:
    assert list(_errors(ordering=field)) == ["ordering"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("role", "root"),
        ("is_active", "True"),
        ("is_active", "0"),
        ("created_after", "now"),
        ("created_after", "0001-01-01T00:00:00+01:00"),
        ("search", "x" * 101),
        ("search", "a\x00b"),
    ],
)
def test_a_wrong_value_is_an_error_and_never_passed_over(name: str, value: str) -> None:
    assert list(_errors(**{name: value})) == [name]
