from collections.abc import Callable
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.utils import timezone

from apps.common.exceptions import NotFoundError
from apps.users.enums import LinkPurpose, Notice
from apps.users.models import FormerAddress, User
from apps.users.selectors import UserSelector
from apps.users.services.links import LinkService
from infrastructure import once
from infrastructure.email.service import EmailService

# Whoever enters a taken address again and again shall not fill its owner's mailbox.
TAKEN_MAIL_PAUSE: Final = timedelta(hours=1)


class MailService:
    """What the jobs of mails do. Each may run twice, and then sends the same mail under the same Message-ID."""

    @staticmethod
    def welcome(*, job_id: UUID, user_id: UUID) -> None:
        _send_link(EmailService.send_welcome, LinkPurpose.VERIFY_EMAIL, user_id, job_id)

    @staticmethod
    def verification(*, job_id: UUID, user_id: UUID) -> None:
        _send_link(EmailService.send_verification, LinkPurpose.VERIFY_EMAIL, user_id, job_id)

    @staticmethod
    def password_reset(*, job_id: UUID, user_id: UUID) -> None:
        _send_link(EmailService.send_password_reset, LinkPurpose.RESET_PASSWORD, user_id, job_id)

    @staticmethod
    def email_change(*, job_id: UUID, user_id: UUID) -> None:
        """Send the link to the new address; if that is another account's, tell its owner instead."""
        mail = LinkService.for_mail(purpose=LinkPurpose.CHANGE_EMAIL, user_id=user_id, job_id=job_id)
        if mail is None:
            return
        owner_id = UserSelector.id_by_email(email=mail.to)
        if owner_id:
            MailService.address_taken(job_id=job_id, user_id=owner_id)
        else:
            EmailService.send_email_change(to=mail.to, name=mail.name, link=mail.link, key=str(job_id))

    @staticmethod
    def address_taken(*, job_id: UUID, user_id: UUID) -> None:
        """Tell an owner that the address was entered for another account, once an hour at most.

        Whoever registered within that hour is told nothing: it was the same person, who was welcomed already.
        """
        user = User.objects.active().filter(pk=user_id).first()
        if user is None or timezone.now() - user.created_at < TAKEN_MAIL_PAUSE:
            return
        seconds = int(TAKEN_MAIL_PAUSE.total_seconds())
        if once.claim(scope="address_taken", subject=str(user_id), holder=str(job_id), seconds=seconds):
            EmailService.send_address_taken(to=user.email, name=user.name, key=str(job_id))

    @staticmethod
    def security_notice(*, job_id: UUID, user_id: UUID, notice: str) -> None:
        """Tell an owner what was done to the account, while it is open."""
        try:
            account = UserSelector.by_id(user_id=user_id)
        except NotFoundError:
            return
        if account.is_active:
            EmailService.send_security_notice(to=account.email, name=account.name, notice=notice, key=str(job_id))

    @staticmethod
    def email_changed(*, job_id: UUID, former_address_id: UUID) -> None:
        """Tell a former address that it is one, and forget it."""
        former = FormerAddress.objects.select_related("user").filter(pk=former_address_id).first()
        if former is None:
            return
        EmailService.send_security_notice(
            to=former.email or "", name=former.user.name, notice=Notice.EMAIL_CHANGED, key=str(job_id)
        )
        former.delete()


def _send_link(send: Callable[..., None], purpose: LinkPurpose, user_id: UUID, job_id: UUID) -> None:
    mail = LinkService.for_mail(purpose=purpose, user_id=user_id, job_id=job_id)
    if mail:
        send(to=mail.to, name=mail.name, link=mail.link, key=str(job_id))
