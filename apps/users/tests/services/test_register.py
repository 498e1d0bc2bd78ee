from typing import cast

import pytest
from django.db import IntegrityError, transaction

from apps.common.enums import Role
from apps.common.exceptions import InvalidInputError
from apps.common.tests.races import at_once
from apps.users.exceptions import EmailTakenError
from apps.users.models import User
from apps.users.selectors import account_cache
from apps.users.services import UserService
from apps.users.tests.factories import PASSWORD, UserFactory
from infrastructure.queue.models import OutboxRow


def _register(email: str) -> str:
    try:
        return str(UserService.register(email=email, name="Ada", password=PASSWORD).id)
    except EmailTakenError:
        return "taken"


@pytest.mark.django_db
def test_a_new_account_is_an_ordinary_one_with_its_password_hashed_by_argon2id() -> None:
    account = UserService.register(email="ada@example.com", name="Ada", password=PASSWORD, phone="+442079460000")

    user = User.objects.get()
    assert user.pk == account.id
    assert (user.email, user.name, user.phone) == ("ada@example.com", "Ada", "+442079460000")
    assert (user.role, user.is_active, user.is_staff, user.is_superuser) == (Role.USER, True, False, False)
    assert user.password.startswith("argon2$argon2id$")
    assert user.check_password(PASSWORD)


@pytest.mark.django_db
def test_the_welcome_mail_is_recorded_with_the_account_and_names_it_by_id_only() -> None:
    account = UserService.register(email="ada@example.com", name="Ada", password=PASSWORD)

    job = OutboxRow.objects.get()
    assert job.name == "users.send_welcome_email"
    assert job.payload == {"user_id": str(account.id)}


@pytest.mark.django_db(transaction=True)
def test_a_registration_that_is_rolled_back_leaves_neither_account_nor_job() -> None:
    with transaction.atomic():
        UserService.register(email="ada@example.com", name="Ada", password=PASSWORD)
        transaction.set_rollback(True)

    assert not User.objects.exists()
    assert not OutboxRow.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "typed",
    ["ADA@EXAMPLE.COM", "Ada@example.com", "ａｄａ@example.com", " ada@example.com ", "ada＠example.com"],
)
def test_another_spelling_of_a_taken_address_is_taken(typed: str) -> None:
    UserFactory.create(email="ada@example.com")

    with pytest.raises(EmailTakenError):
        UserService.register(email=typed, name="Ada", password=PASSWORD)

    assert User.objects.count() == 1
    assert not OutboxRow.objects.exists()


@pytest.mark.django_db
def test_what_else_the_database_refuses_is_not_called_a_taken_address() -> None:
    with pytest.raises(IntegrityError):
        UserService.register(email="ada@example.com", name=cast("str", None), password=PASSWORD)

    assert not User.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short-1", "password_too_short"),
        ("password123", "password_too_common"),
        ("8472910563", "password_entirely_numeric"),
        ("ada.lovelace@example.com", "password_too_similar"),
        ("Ada Lovelace", "password_too_similar"),
    ],
)
def test_a_bad_password_is_refused_and_nothing_is_written(password: str, code: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        UserService.register(email="ada.lovelace@example.com", name="Ada Lovelace", password=password)

    assert [(error.field, error.code) for error in caught.value.errors] == [("password", code)]
    assert not User.objects.exists()
    assert not OutboxRow.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "password", ["x7 " * 40, "  begins and ends with blanks  ", "🔑🔑🔑🔑🔑🔑🔑🔑🔑🔑 key", "a" * 72 + "tail of it"]
)
def test_long_and_odd_passwords_are_kept_to_their_last_character(password: str) -> None:
    UserService.register(email="ada@example.com", name="Ada", password=password)

    user = User.objects.get()
    assert user.check_password(password)
    assert not user.check_password(password[:-1])
    assert not user.check_password(password.strip() + "?")


@pytest.mark.django_db(transaction=True)
def test_of_many_registrations_of_one_address_at_once_one_wins_and_one_job_is_recorded() -> None:
    spellings = ["ada@example.com", "ADA@Example.COM"]

    outcomes = at_once(20, lambda number: _register(spellings[number % 2]))

    assert outcomes.count("taken") == 19
    assert User.objects.count() == 1
    assert OutboxRow.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_an_account_whose_registration_was_rolled_back_is_in_no_cache() -> None:
    with transaction.atomic():
        account = UserService.register(email="ada@example.com", name="Ada", password=PASSWORD)
        transaction.set_rollback(True)

    assert account_cache.look([account.id]).found == {}
