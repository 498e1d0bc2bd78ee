from uuid import UUID

from celery import shared_task

from apps.common.exceptions import NotFoundError
from apps.users.selectors import UserSelector
from apps.users.services import SessionService
from infrastructure.email.service import EmailService
from infrastructure.queue.jobs import job


@job(name="users.send_welcome_email")
def send_welcome_email(job_id: UUID, user_id: str) -> None:
    """Greet a new account."""
    try:
        account = UserSelector.by_id(user_id=UUID(user_id))
    except NotFoundError:
        # Gone since; there is nobody to greet.
        return
    EmailService.send_welcome(to=account.email, name=account.name, key=str(job_id))


@job(name="users.send_security_notice")
def send_security_notice(job_id: UUID, user_id: str, notice: str) -> None:
    """Tell an owner what was done to the account, in case it was somebody else."""
    try:
        account = UserSelector.by_id(user_id=UUID(user_id))
    except NotFoundError:
        return
    EmailService.send_security_notice(to=account.email, name=account.name, notice=notice, key=str(job_id))


@shared_task(name="users.clean_expired_tokens")
def clean_expired_tokens() -> None:
    """Delete sessions and refresh tokens that are over by their date. Beat sends it every hour."""
    SessionService.purge_expired()
