import sys
import unicodedata

import pytest
from django.db import connection
from hypothesis import given, settings, strategies

from apps.common.enums import Role
from apps.users.managers import UserManager
from apps.users.models import User
from apps.users.tests.factories import PASSWORD, AdminFactory, ModeratorFactory, UserFactory


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("Ada@Example.COM", "ada@example.com"),
        ("  ada@example.com\n", "ada@example.com"),
        ("ＡＤＡ＠ｅｘａｍｐｌｅ．com", "ada@example.com"),
        ("ada@BÜCHER.example", "ada@bücher.example"),
        ("ada@bu\u0308cher.example", "ada@bücher.example"),
        ("ﬁnn@example.com", "finn@example.com"),
        ("K@example.com", "k@example.com"),
        (None, ""),
    ],
)
def test_every_spelling_of_an_address_has_one_form(typed: str | None, stored: str) -> None:
    assert UserManager.normalize_email(typed) == stored


@settings(deadline=None)
@given(strategies.text())
def test_the_one_form_is_its_own(text: str) -> None:
    once = UserManager.normalize_email(text)

    assert UserManager.normalize_email(once) == once


@pytest.mark.django_db
def test_the_database_agrees_on_the_form_of_every_character_it_may_meet() -> None:
    # What Python's Unicode does not know yet cannot be agreed on.
    known = [
        chr(point) for point in range(1, sys.maxunicode + 1) if unicodedata.category(chr(point)) not in {"Cs", "Cn"}
    ]
    normalized = sorted({UserManager.normalize_email(f"a{character}") for character in known})

    with connection.cursor() as cursor:
        cursor.execute("SELECT one FROM unnest(%s::text[]) one WHERE one <> lower(normalize(one, NFKC))", [normalized])
        assert cursor.fetchall() == []


@pytest.mark.django_db
def test_a_user_is_ordinary_and_a_superuser_an_admin() -> None:
    user = User.objects.create_user("Ada@Example.com", PASSWORD, name="Ada")
    admin = User.objects.create_superuser("Bob@Example.com", PASSWORD, name="Bob")

    assert (user.email, user.role, user.is_staff, user.is_superuser) == ("ada@example.com", Role.USER, False, False)
    assert (admin.email, admin.role, admin.is_staff, admin.is_superuser) == ("bob@example.com", Role.ADMIN, True, True)
    assert user.check_password(PASSWORD)


@pytest.mark.django_db
def test_a_superuser_is_an_admin_whatever_else_is_asked_for() -> None:
    admin = User.objects.create_superuser("bob@example.com", PASSWORD, name="Bob", role=Role.USER, is_staff=False)

    assert (admin.role, admin.is_staff) == (Role.ADMIN, True)


@pytest.mark.django_db
def test_a_user_without_a_password_has_none_that_fits() -> None:
    user = User.objects.create_user("ada@example.com", name="Ada")

    assert not user.has_usable_password()
    assert not user.check_password("")


@pytest.mark.django_db
def test_rows_are_selected_by_activity_and_by_role() -> None:
    user, closed, admin = UserFactory.create(), ModeratorFactory.create(is_active=False), AdminFactory.create()

    assert set(User.objects.active()) == {user, admin}
    assert set(User.objects.by_role(Role.MODERATOR)) == {closed}
    assert set(User.objects.active().by_role(Role.MODERATOR)) == set()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ada", True),
        ("ADA", True),
        ("lov", True),
        ("ada lov", True),
        ("lov ada", True),
        ("ada-lov", True),
        ("exam", True),
        ("a.l", True),
        ("ada_love", True),
        ("bob", False),
        ("ada bob", False),
        ("velace", False),
        ("", False),
        ("_", False),
        ("' & | ! ( ) :* \\", False),
    ],
)
def test_a_search_finds_the_beginnings_of_words(text: str, found: bool) -> None:  # noqa: FBT001  # a column of the table
    user = UserFactory.create(name="Ada Lovelace", email="ada.love@example.com")

    assert list(User.objects.get_queryset().search(text)) == ([user] if found else [])


@pytest.mark.django_db
def test_no_character_breaks_the_search() -> None:
    UserFactory.create()
    every = "".join(chr(point) for point in range(1, 0x3000) if not 0xD800 <= point < 0xE000)

    for start in range(0, len(every), 100):
        text = " ".join(every[start : start + 100])
        assert list(User.objects.get_queryset().search(text)) == []
