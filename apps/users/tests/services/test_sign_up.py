from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone
from freezegun import freeze_time
from pytest_django import Settings

from apps.common.exceptions import InvalidInputError
from apps.common.tests.races import at_once
from apps.users.exceptions import EmailTakenError
from apps.users.models import User
from apps.users.services import RegistrationService
from apps.users.tests.factories import PASSWORD, UserFactory
from apps.users.tests.support import row, run_jobs
from infrastructure.queue.models import OutboxRow


@pytest.fixture
def _silent(settings: Settings) -> None:
    settings.REGISTRATION_DISCLOSES_TAKEN = False


def _sign_up(email: str = "ada@example.com") -> object:
    return RegistrationService.sign_up(email=email, name="Ada", password=PASSWORD, phone="+442079460000")


@pytest.mark.django_db
def test_usually_the_account_is_returned_and_a_taken_address_told() -> None:
    assert _sign_up() is not None

    with pytest.raises(EmailTakenError):
        _sign_up("ADA@example.com")


@pytest.mark.django_db
@pytest.mark.usefixtures("_silent")
def test_a_free_address_gets_its_account_and_the_welcome_mail() -> None:
    assert _sign_up("Ada@Example.com") is None

    user = User.objects.get()
    assert (user.email, user.name, user.phone, user.role) == ("ada@example.com", "Ada", "+442079460000", "user")
    assert user.check_password(PASSWORD)
    job = OutboxRow.objects.get()
    assert (job.name, job.payload) == ("users.send_welcome_email", {"user_id": str(user.pk)})


@pytest.mark.django_db
@pytest.mark.usefixtures("_silent")
@pytest.mark.parametrize("typed", ["ada@example.com", "ADA@example.com", "ａｄａ@example.com"])
def test_a_taken_address_makes_no_account_and_its_owner_is_told(typed: str) -> None:
    with freeze_time(timezone.now() - timedelta(days=1)):
        owner = UserFactory.create(email="ada@example.com", name="The owner")
    before = row(owner.pk)

    assert _sign_up(typed) is None
    run_jobs()

    assert row(owner.pk) == before
    assert User.objects.count() == 1
    (message,) = mail.outbox
    assert (message.to, message.subject) == (["ada@example.com"], "Layerline: your address was entered again")
    assert "Hello The owner," in str(message.body)


@pytest.mark.django_db
@pytest.mark.usefixtures("_silent")
def test_a_bad_password_is_told_before_anybody_looks_whether_the_address_is_taken() -> None:
    UserFactory.create(email="ada@example.com")

    for email in ("ada@example.com", "bob@example.com"):
        with pytest.raises(InvalidInputError):
            RegistrationService.sign_up(email=email, name="Ada", password="short-1")

    assert User.objects.count() == 1
    assert not OutboxRow.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_silent")
def test_of_many_at_once_one_makes_the_account_and_one_mail_is_sent() -> None:
    spellings = ["ada@example.com", "ADA@Example.COM"]

    assert at_once(20, lambda number: _sign_up(spellings[number % 2])) == [None] * 20

    assert User.objects.count() == 1
    assert OutboxRow.objects.filter(name="users.send_welcome_email").count() == 1
    assert OutboxRow.objects.count() == 20
    run_jobs()
    assert [message.subject for message in mail.outbox] == ["Welcome to Layerline"]
