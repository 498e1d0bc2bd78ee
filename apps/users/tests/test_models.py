from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.core import checks
from django.core.management import call_command
from django.db import IntegrityError, connection

from apps.users.models import RefreshToken, Session, User
from apps.users.services import UserService
from apps.users.tests.factories import PASSWORD, AdminFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("columns", "constraint"),
    [
        ({"email": "Ada@example.com"}, "users_email_normalized"),
        ({"email": "ａｄａ@example.com"}, "users_email_normalized"),
        ({"email": "ada@EXAMPLE.com"}, "users_email_normalized"),
        ({"role": "root"}, "users_role_known"),
        ({"role": ""}, "users_role_known"),
        ({"is_superuser": True}, "users_superuser_is_admin"),
    ],
)
def test_the_database_refuses_what_would_break_a_rule_whoever_writes_it(
    columns: dict[str, Any], constraint: str
) -> None:
    user = UserFactory.create()

    with pytest.raises(IntegrityError, match=constraint):
        User.objects.filter(pk=user.pk).update(**columns)


def test_a_hash_of_another_kind_is_replaced_when_its_password_is_checked() -> None:
    user = UserFactory.create(password=make_password(PASSWORD, hasher="bcrypt_sha256"))

    assert user.check_password(PASSWORD)

    assert user.password.startswith("argon2$argon2id$")
    assert User.objects.get(pk=user.pk).password == user.password


def test_checking_an_old_hash_does_not_undo_a_change_of_password_that_came_between() -> None:
    user = UserFactory.create(password=make_password(PASSWORD, hasher="bcrypt_sha256"))
    read_before = User.objects.get(pk=user.pk)
    changed = make_password("another lantern at sea")
    User.objects.filter(pk=user.pk).update(password=changed)

    assert read_before.check_password(PASSWORD)

    assert User.objects.get(pk=user.pk).password == changed


def test_an_address_is_unique() -> None:
    UserFactory.create(email="ada@example.com")

    with pytest.raises(IntegrityError, match="users_email"):
        UserFactory.create(email="ada@example.com")


def test_every_update_raises_the_row_version_however_it_is_made() -> None:
    user = UserFactory.create()

    def version() -> int:
        return int(User.objects.values_list("row_version", flat=True).get(pk=user.pk))

    assert version() == 1
    user.save()
    assert version() == 2
    User.objects.update(name="Ada")
    assert version() == 3
    with connection.cursor() as cursor:
        cursor.execute("UPDATE users SET name = name, row_version = 0")
    assert version() == 4
    User.objects.bulk_update([user], ["name"])
    assert version() == 5


def test_a_key_is_a_uuid_of_version_seven_made_in_python() -> None:
    first, second = User(), User()

    assert first.pk.version == second.pk.version == 7
    assert first.pk < second.pk


def test_the_phone_is_stored_as_ciphertext_which_differs_for_the_same_number() -> None:
    users = UserFactory.create_batch(2, phone="+442079460000")

    with connection.cursor() as cursor:
        cursor.execute("SELECT phone FROM users")
        stored = [phone for (phone,) in cursor.fetchall()]

    assert len(set(stored)) == 2
    assert not any("442079460000" in phone for phone in stored)
    assert {user.phone for user in User.objects.filter(pk__in=[user.pk for user in users])} == {"+442079460000"}


def test_a_deleted_user_takes_sessions_and_tokens_along() -> None:
    user = UserFactory.create()
    UserService.login(email=user.email, password=PASSWORD)

    user.delete()

    assert not Session.objects.exists()
    assert not RefreshToken.objects.exists()


def test_rows_have_names_that_people_can_read() -> None:
    user = AdminFactory.create(email="ada@example.com")
    UserService.login(email=user.email, password=PASSWORD)

    session, token = Session.objects.get(), RefreshToken.objects.get()
    assert str(user) == "ada@example.com"
    assert str(session) == f"{user.pk} since {session.created_at:%Y-%m-%d %H:%M}"
    assert str(token) == str(token.pk)


def test_the_models_need_no_migration_and_pass_their_checks() -> None:
    call_command("makemigrations", "users", check=True, dry_run=True, verbosity=0)

    assert not checks.run_checks(tags=["models"])


def test_search_uses_its_index() -> None:
    with connection.cursor() as cursor:
        # A handful of rows is read faster without any index.
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_indexscan = off")
    plan = User.objects.get_queryset().search("ada").explain()

    assert "users_search" in plan
