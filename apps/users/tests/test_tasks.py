from datetime import UTC, datetime, timedelta

import pytest
from celery import Task
from django.core import mail
from django.db import transaction

from apps.users.enums import Notice
from apps.users.models import AuditEntry, FormerAddress, MfaChallenge, RefreshToken, Session
from apps.users.services import NoticeService, UserService
from apps.users.tasks import (
    clean_audit_trail,
    clean_expired_tokens,
    clean_former_addresses,
    clean_mfa_challenges,
    clean_session_origins,
    send_security_notice,
    send_welcome_email,
)
from apps.users.tests.factories import PASSWORD, UserFactory
from infrastructure.email.messages import NOTICES
from infrastructure.queue import outbox
from infrastructure.queue.models import OutboxRow, OutboxState

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_welcome_mail_goes_to_the_new_account_once_however_often_the_message_comes() -> None:
    UserService.register(email="ada@example.com", name="Ada Lovelace", password=PASSWORD)
    job = OutboxRow.objects.get()

    for _ in range(3):
        send_welcome_email(str(job.pk))

    (message,) = mail.outbox
    assert message.to == ["ada@example.com"]
    assert "Ada Lovelace" in str(message.body)
    assert OutboxRow.objects.get().state == OutboxState.DONE


def test_an_account_that_is_gone_gets_no_mail_and_leaves_no_job_behind() -> None:
    user = UserFactory.create()
    with transaction.atomic():
        outbox.enqueue("users.send_welcome_email", {"user_id": str(user.pk)})
    user.delete()
    job = OutboxRow.objects.get()

    send_welcome_email(str(job.pk))

    job.refresh_from_db()
    assert mail.outbox == []
    assert job.state == OutboxState.DONE


def _run(task: Task[[str], None], payload: dict[str, str] | None = None) -> None:
    """Record the job as beat does, and do what a worker would."""
    assert task.name is not None
    task(str(OutboxRow.objects.create(name=task.name, payload=payload or {}, state=OutboxState.PUBLISHED).pk))
    assert not OutboxRow.objects.exclude(state=OutboxState.DONE).exists()


def test_the_hourly_clean_up_removes_what_is_expired() -> None:
    user = UserFactory.create()
    UserService.login(email=user.email, password=PASSWORD)
    past, to_come = (datetime.now(UTC) + timedelta(seconds=seconds) for seconds in (-1, 60))
    Session.objects.create(user=user, expires_at=past)
    for moment in (past, to_come):
        MfaChallenge.objects.create(user=user, version=1, expires_at=moment)

    _run(clean_expired_tokens)
    _run(clean_mfa_challenges)

    assert (Session.objects.count(), RefreshToken.objects.count()) == (1, 1)
    assert MfaChallenge.objects.get().expires_at == to_come


def test_the_hourly_clean_up_keeps_no_origin_longer_than_the_audit_trail() -> None:
    user = UserFactory.create()
    UserService.login(email=user.email, password=PASSWORD)
    long_ago = datetime.now(UTC) - timedelta(days=91)
    Session.objects.update(address="192.0.2.1", created_at=long_ago, expires_at=datetime.now(UTC) + timedelta(days=1))
    AuditEntry.objects.create(action="updated", account_id=user.pk, created_at=long_ago)

    _run(clean_session_origins)
    _run(clean_audit_trail)

    assert Session.objects.get().address is None
    assert [entry.action for entry in AuditEntry.objects.all()] == ["signed_in"]


def test_the_hourly_clean_up_removes_former_addresses_that_nobody_could_tell() -> None:
    former = FormerAddress.objects.create(user=UserFactory.create(), email="ada@example.com")
    FormerAddress.objects.update(created_at=datetime.now(UTC) - timedelta(days=8))

    _run(clean_former_addresses)

    assert not FormerAddress.objects.filter(pk=former.pk).exists()


def test_a_notice_goes_to_the_owner() -> None:
    user = UserFactory.create(email="ada@example.com")
    with transaction.atomic():
        NoticeService.tell_owner(user_id=user.pk, notice=Notice.PASSWORD_CHANGED)

    send_security_notice(str(OutboxRow.objects.get().pk))

    (message,) = mail.outbox
    assert message.to == ["ada@example.com"]
    assert message.subject == "Layerline: your password was changed"


def test_there_is_a_text_for_every_notice_and_no_other() -> None:
    assert set(NOTICES) == set(Notice.values)
