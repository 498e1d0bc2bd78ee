from datetime import timedelta
from typing import Final

import pytest
from django.core import mail
from django.utils import timezone
from freezegun import freeze_time

from apps.common.exceptions import AppException
from apps.common.tests.races import at_once
from apps.users.enums import LinkPurpose
from apps.users.exceptions import LinkExpiredError, LinkInvalidError
from apps.users.models import AuditEntry, User
from apps.users.selectors import UserSelector
from apps.users.services import EmailAddressService, PasswordService, SessionService, UserService
from apps.users.tests.factories import PASSWORD, UserFactory
from apps.users.tests.support import link_in, link_token, mailed_token, redis_refusing, row, run_jobs, signed_in
from infrastructure.queue.models import OutboxRow
from infrastructure.redis import RedisUnavailable

VERIFY: Final = LinkPurpose.VERIFY_EMAIL


@pytest.mark.django_db
def test_the_link_of_the_welcome_mail_confirms_the_address() -> None:
    account = UserService.register(email="ada@example.com", name="Ada", password=PASSWORD)
    before = timezone.now()

    EmailAddressService.verify(token=mailed_token("ada@example.com"))

    assert mail.outbox[0].subject == "Welcome to Layerline"
    assert link_in(mail.outbox[0]).startswith("https://app.example.com/verify-email#token=")
    user = User.objects.get()
    assert user.email_verified_at is not None
    assert before <= user.email_verified_at <= timezone.now()
    assert UserSelector.by_id(user_id=account.id).email_verified
    entry = AuditEntry.objects.get(action="email_verified")
    assert (entry.account_id, entry.actor_id) == (user.pk, user.pk)


@pytest.mark.django_db
def test_it_ends_no_session() -> None:
    user = UserFactory.create()
    pair = signed_in(user)

    EmailAddressService.verify(token=link_token(user.pk, VERIFY))

    assert SessionService.resume(access=pair.access).email_verified


@pytest.mark.django_db
def test_a_link_works_once() -> None:
    user = UserFactory.create()
    token = link_token(user.pk, VERIFY)
    EmailAddressService.verify(token=token)
    before = row(user.pk)

    with pytest.raises(LinkInvalidError):
        EmailAddressService.verify(token=token)

    assert row(user.pk) == before


@pytest.mark.django_db
def test_a_link_works_for_three_days() -> None:
    token = link_token(UserFactory.create().pk, VERIFY)

    with freeze_time(timezone.now() + timedelta(days=3)), pytest.raises(LinkExpiredError):
        EmailAddressService.verify(token=token)
    assert not User.objects.get().email_verified

    with freeze_time(timezone.now() + timedelta(days=2, hours=23)):
        EmailAddressService.verify(token=token)
    assert User.objects.get().email_verified


@pytest.mark.django_db
@pytest.mark.parametrize("changes", [{"email": "eve@example.com"}, {"password": "x"}, {"is_active": False}])
def test_a_link_is_dead_once_what_it_is_bound_to_has_changed(changes: dict[str, object]) -> None:
    user = UserFactory.create()
    token = link_token(user.pk, VERIFY)
    User.objects.update(**changes)

    with pytest.raises(LinkInvalidError):
        EmailAddressService.verify(token=token)

    assert not User.objects.get().email_verified


@pytest.mark.django_db
def test_the_link_to_a_new_password_confirms_no_address() -> None:
    user = UserFactory.create()

    with pytest.raises(LinkInvalidError):
        EmailAddressService.verify(token=link_token(user.pk, LinkPurpose.RESET_PASSWORD))

    assert not User.objects.get().email_verified


@pytest.mark.django_db
def test_another_link_is_mailed_to_whoever_asks_and_both_work_until_one_is_used() -> None:
    user = UserFactory.create()
    first = link_token(user.pk, VERIFY)

    EmailAddressService.ask_verification(user_id=user.pk)
    second = mailed_token(user.email)

    assert mail.outbox[0].subject == "Layerline: confirm your address"
    EmailAddressService.verify(token=second)
    with pytest.raises(LinkInvalidError):
        EmailAddressService.verify(token=first)


@pytest.mark.django_db
def test_to_a_confirmed_address_no_other_link_is_mailed() -> None:
    user = UserFactory.create(email_verified_at=timezone.now())

    EmailAddressService.ask_verification(user_id=user.pk)
    run_jobs()

    assert mail.outbox == []
    assert OutboxRow.objects.get().state == "done"


@pytest.mark.django_db(transaction=True)
def test_of_many_uses_at_once_one_wins() -> None:
    token = link_token(UserFactory.create().pk, VERIFY)

    def use(_: int) -> str:
        try:
            EmailAddressService.verify(token=token)
        except AppException as error:
            return error.code
        return "confirmed"

    assert sorted(at_once(10, use)) == ["confirmed"] + ["validation_error"] * 9
    assert AuditEntry.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_without_redis_nothing_is_confirmed_and_the_link_works_later() -> None:
    user = UserFactory.create()
    token = link_token(user.pk, VERIFY)
    before = row(user.pk)

    with redis_refusing(), pytest.raises(RedisUnavailable):
        EmailAddressService.verify(token=token)
    assert row(user.pk) == before

    EmailAddressService.verify(token=token)
    assert User.objects.get().email_verified


@pytest.mark.django_db
def test_a_reset_beside_it_leaves_the_link_of_the_old_password_dead() -> None:
    user = UserFactory.create()
    token = link_token(user.pk, VERIFY)

    PasswordService.reset(token=link_token(user.pk, LinkPurpose.RESET_PASSWORD), new="nine hundred lanterns")

    with pytest.raises(LinkInvalidError):
        EmailAddressService.verify(token=token)
    EmailAddressService.verify(token=link_token(user.pk, VERIFY))
