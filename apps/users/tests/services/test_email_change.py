from datetime import timedelta
from typing import Final

import pytest
from django.core import mail
from django.db import connection
from django.utils import timezone
from freezegun import freeze_time
from pytest_django import Settings

from apps.common.exceptions import AppException
from apps.common.tests.races import at_once
from apps.users.enums import LinkPurpose
from apps.users.exceptions import (
    EmailTakenError,
    LinkExpiredError,
    LinkInvalidError,
    WrongCredentialsError,
    WrongPasswordError,
)
from apps.users.models import AuditEntry, FormerAddress, User
from apps.users.selectors import UserSelector
from apps.users.services import EmailAddressService, PasswordService, SessionService, UserService
from apps.users.tests.factories import PASSWORD, UserFactory
from apps.users.tests.support import link_in, link_token, mailed_token, redis_contents, row, run_jobs, signed_in
from apps.users.types import Credentials
from infrastructure.queue.models import OutboxRow

OLD: Final = "ada@example.com"
NEW: Final = "ada.king@example.com"
CHANGE: Final = LinkPurpose.CHANGE_EMAIL


@pytest.fixture
def user(db: None) -> User:
    # Older than what counts as somebody who registers twice.
    with freeze_time(timezone.now() - timedelta(days=1)):
        return UserFactory.create(email=OLD, name="Ada", email_verified_at=timezone.now())


def _ask(user: User, email: str = NEW, password: str = PASSWORD) -> None:
    EmailAddressService.ask_change(user_id=user.pk, email=email, password=password)


def _recipients() -> list[str]:
    return [to for message in mail.outbox for to in message.to]


def test_the_address_changes_when_the_link_mailed_to_the_new_one_is_used(user: User) -> None:
    pair = signed_in(User.objects.get(email=OLD))

    _ask(user, "Ada.King@Example.com")
    token = mailed_token(NEW)
    user.refresh_from_db()
    assert (user.email, user.pending_email) == (OLD, NEW)
    EmailAddressService.verify(token=token)

    assert mail.outbox[0].subject == "Layerline: confirm your new address"
    assert link_in(mail.outbox[0]).startswith("https://app.example.com/confirm-email#token=")
    user.refresh_from_db()
    assert (user.email, user.pending_email, user.email_verified) == (NEW, None, True)
    assert UserSelector.by_id(user_id=user.pk).email == NEW
    # Whoever is signed in stays so.
    assert SessionService.resume(access=pair.access).email == NEW
    assert isinstance(UserService.login(email=NEW, password=PASSWORD), Credentials)
    with pytest.raises(WrongCredentialsError):
        UserService.login(email=OLD, password=PASSWORD)


def test_the_former_address_is_told_and_then_forgotten(user: User) -> None:
    _ask(user)
    EmailAddressService.verify(token=mailed_token(NEW))
    assert _recipients() == [NEW]

    run_jobs()

    message = mail.outbox[-1]
    assert (message.to, message.subject) == ([OLD], "Layerline: your address was changed")
    assert NEW not in str(message.body)
    assert not FormerAddress.objects.exists()


def test_a_former_address_that_cannot_be_reached_is_tried_again(user: User, settings: Settings) -> None:
    _ask(user)
    EmailAddressService.verify(token=mailed_token(NEW))
    job = OutboxRow.objects.get(name="users.send_email_changed")
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_PORT = 1

    run_jobs()

    job.refresh_from_db()
    assert (job.state, job.last_error) == ("pending", "EmailError: ConnectionRefusedError")
    assert FormerAddress.objects.get().email == OLD


def test_two_changes_in_a_row_tell_both_former_addresses(user: User) -> None:
    for email in (NEW, "countess@example.com"):
        _ask(user, email)
        EmailAddressService.verify(token=link_token(user.pk, CHANGE))

    run_jobs()

    changed = [message.to for message in mail.outbox if message.subject == "Layerline: your address was changed"]
    assert changed == [[OLD], [NEW]]


def test_both_steps_are_written_down_without_an_address(user: User) -> None:
    _ask(user)
    EmailAddressService.verify(token=link_token(user.pk, CHANGE))

    entries = AuditEntry.objects.order_by("id")
    assert [(entry.action, entry.details) for entry in entries] == [("email_change_asked", {}), ("email_changed", {})]


def test_neither_address_stands_anywhere_in_clear_text_but_as_the_accounts_own(user: User) -> None:
    _ask(user)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pending_email FROM users")
        assert NEW not in str(cursor.fetchall())
        assert NEW not in str([*OutboxRow.objects.values(), *AuditEntry.objects.values(), redis_contents()])

        EmailAddressService.verify(token=link_token(user.pk, CHANGE))

        cursor.execute("SELECT email FROM former_addresses")
        assert OLD not in str(cursor.fetchall())
        assert OLD not in str([*OutboxRow.objects.values(), *AuditEntry.objects.values(), redis_contents()])


@pytest.mark.parametrize("password", ["not the one at all", f"{PASSWORD} ", ""])
def test_a_wrong_password_asks_for_nothing(user: User, password: str) -> None:
    before = row(user.pk)

    with pytest.raises(WrongPasswordError) as caught:
        _ask(user, password=password)

    assert [(error.field, error.code) for error in caught.value.errors] == [("password", "wrong")]
    assert row(user.pk) == before
    assert not OutboxRow.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_taken_address_is_asked_for_like_a_free_one_and_its_owner_gets_a_mail_without_a_link(user: User) -> None:
    with freeze_time(timezone.now() - timedelta(days=1)):
        UserFactory.create(email="bob@example.com", name="Bob")

    _ask(user, "bob@example.com")
    run_jobs()

    user.refresh_from_db()
    assert (user.email, user.pending_email) == (OLD, "bob@example.com")
    (message,) = mail.outbox
    assert (message.to, message.subject) == (["bob@example.com"], "Layerline: your address was entered again")
    assert "Bob" in str(message.body)
    assert "http" not in str(message.body)
    assert "Ada" not in str(message.body)


def test_an_address_that_is_taken_meanwhile_is_a_conflict_and_nothing_changes(user: User) -> None:
    _ask(user)
    token = mailed_token(NEW)
    UserFactory.create(email=NEW)
    before = row(user.pk)

    with pytest.raises(EmailTakenError):
        EmailAddressService.verify(token=token)

    assert row(user.pk) == before
    assert not FormerAddress.objects.exists()
    assert AuditEntry.objects.count() == 1


def test_it_changes_all_the_same_once_the_address_is_free_again(user: User) -> None:
    _ask(user)
    token = mailed_token(NEW)
    other = UserFactory.create(email=NEW)
    with pytest.raises(EmailTakenError):
        EmailAddressService.verify(token=token)
    other.delete()

    EmailAddressService.verify(token=token)

    assert User.objects.get().email == NEW


def test_a_pending_address_is_nobodys_yet(user: User) -> None:
    _ask(user)

    assert UserService.register(email=NEW, name="Eve", password=PASSWORD).email == NEW


def test_asking_for_another_address_kills_the_link_to_the_first(user: User) -> None:
    _ask(user)
    first = link_token(user.pk, CHANGE)
    _ask(user, "countess@example.com")

    with pytest.raises(LinkInvalidError):
        EmailAddressService.verify(token=first)

    EmailAddressService.verify(token=link_token(user.pk, CHANGE))
    assert User.objects.get().email == "countess@example.com"


@pytest.mark.parametrize("typed", [OLD, "ADA@Example.com"])
def test_asking_for_the_own_address_takes_the_change_back(user: User, typed: str) -> None:
    _ask(user)
    token = mailed_token(NEW)

    _ask(user, typed)
    run_jobs()

    user.refresh_from_db()
    assert user.pending_email is None
    assert _recipients() == [NEW]
    with pytest.raises(LinkInvalidError):
        EmailAddressService.verify(token=token)


def test_a_change_kills_the_links_to_the_former_address(user: User) -> None:
    User.objects.update(email_verified_at=None)
    verify, reset = (link_token(user.pk, purpose) for purpose in (LinkPurpose.VERIFY_EMAIL, LinkPurpose.RESET_PASSWORD))
    _ask(user)

    EmailAddressService.verify(token=link_token(user.pk, CHANGE))

    with pytest.raises(LinkInvalidError):
        EmailAddressService.verify(token=verify)
    with pytest.raises(LinkInvalidError):
        PasswordService.reset(token=reset, new="nine hundred lanterns")


def test_a_link_works_once_and_for_three_days(user: User) -> None:
    _ask(user)
    token = link_token(user.pk, CHANGE)
    with freeze_time(timezone.now() + timedelta(days=3)), pytest.raises(LinkExpiredError):
        EmailAddressService.verify(token=token)

    EmailAddressService.verify(token=token)

    with pytest.raises(LinkInvalidError):
        EmailAddressService.verify(token=token)
    assert FormerAddress.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_accounts_that_confirm_one_address_at_once_one_gets_it() -> None:
    users = UserFactory.create_batch(2, pending_email=NEW)
    tokens = [link_token(user.pk, CHANGE) for user in users]

    def confirm(number: int) -> str:
        try:
            EmailAddressService.verify(token=tokens[number])
        except AppException as error:
            return error.code
        return "changed"

    assert sorted(at_once(2, confirm)) == ["changed", "conflict"]
    assert User.objects.filter(email=NEW).count() == 1
    assert FormerAddress.objects.count() == 1


def test_a_former_address_that_nobody_could_tell_is_deleted_after_a_week(user: User) -> None:
    for days in (8, 6):
        with freeze_time(timezone.now() - timedelta(days=days)):
            FormerAddress.objects.create(user=user, email=f"{days}@example.com")

    assert EmailAddressService.purge_former() == 1
    assert FormerAddress.objects.get().email == "6@example.com"
