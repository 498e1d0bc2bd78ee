from typing import Any

import pytest

from apps.common.serializers import StrictSerializer
from apps.users.models import User
from apps.users.selectors import UserSelector
from apps.users.serializers import (
    LoginSerializer,
    RegisterSerializer,
    UserDetailSerializer,
    UserSerializer,
)
from apps.users.tests.factories import UserFactory

GOOD = {"email": "ada@example.com", "name": "Ada", "password": "correct horse battery"}


def _valid(serializer: StrictSerializer) -> dict[str, Any]:
    assert serializer.is_valid(), serializer.errors
    return dict(serializer.validated_data)


def test_the_address_comes_out_in_its_one_form_and_the_name_without_blanks_around_it() -> None:
    values = _valid(RegisterSerializer(data=GOOD | {"email": " ＡＤＡ@Example.com", "name": "  Ada  "}))

    assert (values["email"], values["name"]) == ("ada@example.com", "Ada")


@pytest.mark.parametrize("password", [" blanks around ", "\ttabs\t", "🔑 emoji 🔑", "x" * 1_024])
@pytest.mark.parametrize("serializer", [RegisterSerializer, LoginSerializer])
def test_a_password_comes_out_exactly_as_it_was_typed(serializer: type[StrictSerializer], password: str) -> None:
    data = {name: value for name, value in GOOD.items() if name in serializer().fields}

    assert _valid(serializer(data=data | {"password": password}))["password"] == password


def test_an_address_is_measured_as_it_will_be_stored() -> None:
    # One ligature becomes several letters.
    longer = "ﷺ" * 15 + "@example.com"

    serializer = RegisterSerializer(data=GOOD | {"email": longer})

    assert len(longer) < 254
    assert not serializer.is_valid()
    assert {error.code for error in serializer.errors["email"]} == {"max_length", "invalid"}


@pytest.mark.parametrize("phone", ["+442079460000", "+1234567", "+123456789012345", None])
def test_a_phone_is_an_international_number_or_none(phone: str | None) -> None:
    assert _valid(RegisterSerializer(data=GOOD | {"phone": phone}))["phone"] == phone


@pytest.mark.parametrize(
    "phone", ["", "442079460000", "+0442079460000", "+44 20", "+123456", "+1234567890123456", "+44x"]
)
def test_anything_else_is_no_phone(phone: str) -> None:
    assert list(_errors(RegisterSerializer(data=GOOD | {"phone": phone}))) == ["phone"]


@pytest.mark.parametrize("character", ["\n", "\r", "\x00", "\x1b", "\x7f", "\x85", "\u2028", "\u2029", "\t"])
def test_a_name_is_one_line_without_control_characters(character: str) -> None:
    assert list(_errors(RegisterSerializer(data=GOOD | {"name": f"Ada{character}Lovelace"}))) == ["name"]


@pytest.mark.parametrize("name", ["Åda Ó'Brien", "艾达", "عدا", "Ada 👩‍💻", "x" * 150])
def test_a_name_may_be_of_any_script(name: str) -> None:
    assert _valid(RegisterSerializer(data=GOOD | {"name": name}))["name"] == name


@pytest.mark.django_db
@pytest.mark.parametrize("serializer", [UserSerializer, UserDetailSerializer])
def test_a_row_and_a_cached_account_look_the_same(serializer: type[UserSerializer]) -> None:
    user: User = UserFactory.create(phone="+442079460000", avatar="")

    shown = serializer(UserSelector.committed(user_id=user.pk)).data

    assert shown == serializer(User.objects.get(pk=user.pk)).data
    assert shown["avatar"] is None
    assert "password" not in shown


@pytest.mark.django_db
def test_an_avatar_is_shown_once_there_is_one() -> None:
    user = UserFactory.create(avatar="avatars/1.webp")

    assert UserSerializer(user).data["avatar"] == f"/api/v1/users/{user.pk}/avatar/"


def _errors(serializer: StrictSerializer) -> dict[str, Any]:
    assert not serializer.is_valid()
    return dict(serializer.errors)
