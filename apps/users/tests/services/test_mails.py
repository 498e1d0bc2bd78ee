from collections.abc import Callable
from datetime import timedelta
from typing import Final
from uuid import uuid4

import pytest
from django.core import mail
from django.utils import timezone
from freezegun import freeze_time
from uuid6 import uuid7

from apps.users.models import FormerAddress, User
from apps.users.services import MailService
from apps.users.tests.factories import UserFactory
from apps.users.tests.support import redis_refusing
from infrastructure.redis import RedisUnavailable

pytestmark = pytest.mark.django_db

type Send = Callable[..., None]

TO_ACCOUNTS: Final[tuple[Send, ...]] = (
    MailService.welcome,
    MailService.verification,
    MailService.password_reset,
    MailService.email_change,
    MailService.address_taken,
)


@pytest.fixture
def user() -> User:
    with freeze_time(timezone.now() - timedelta(days=1)):
        return UserFactory.create(email="ada@example.com", name="Ada", pending_email="ada.king@example.com")


@pytest.mark.parametrize("send", TO_ACCOUNTS)
def test_a_mail_that_is_sent_twice_is_the_same_mail(user: User, send: Send) -> None:
    job_id = uuid7()

    for _ in range(2):
        send(job_id=job_id, user_id=user.pk)

    first, second = mail.outbox
    assert (first.to, first.subject, first.body) == (second.to, second.subject, second.body)
    assert first.message()["Message-ID"] == second.message()["Message-ID"]


@pytest.mark.parametrize("send", TO_ACCOUNTS)
def test_nobody_and_a_closed_account_get_no_mail(user: User, send: Send) -> None:
    user.is_active = False
    user.save()

    for user_id in (user.pk, uuid4()):
        send(job_id=uuid7(), user_id=user_id)

    assert mail.outbox == []


def test_an_owner_is_told_once_an_hour_that_the_address_was_entered(user: User) -> None:
    for _ in range(3):
        MailService.address_taken(job_id=uuid7(), user_id=user.pk)

    assert [message.to for message in mail.outbox] == [["ada@example.com"]]


def test_whoever_registered_a_moment_ago_was_the_one_who_entered_it() -> None:
    MailService.address_taken(job_id=uuid7(), user_id=UserFactory.create().pk)

    assert mail.outbox == []


def test_without_redis_it_is_tried_again_later(user: User) -> None:
    with redis_refusing(), pytest.raises(RedisUnavailable):
        MailService.address_taken(job_id=uuid7(), user_id=user.pk)

    assert mail.outbox == []


def test_a_former_address_that_is_gone_gets_no_mail() -> None:
    MailService.email_changed(job_id=uuid7(), former_address_id=uuid4())

    assert mail.outbox == []


def test_a_former_address_is_told_even_if_the_account_is_closed_by_then(user: User) -> None:
    former = FormerAddress.objects.create(user=user, email="old@example.com")
    user.is_active = False
    user.save()

    MailService.email_changed(job_id=uuid7(), former_address_id=former.pk)

    assert [message.to for message in mail.outbox] == [["old@example.com"]]
