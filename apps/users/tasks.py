from uuid import UUID

from celery import shared_task

from apps.common.exceptions import NotFoundError
from apps.users.selectors import UserSelector
from apps.users.services import AvatarService, SessionService
from infrastructure.email.service import EmailService
from infrastructure.queue.jobs import job
from infrastructure.storage import FileStore


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


@job(name="users.remove_file")
def remove_file(_job_id: UUID, key: str) -> None:
    """Remove a file that no account names any more."""
    FileStore.delete(key=key)


@job(name="users.clean_orphaned_files")
def clean_orphaned_files(_job_id: UUID) -> None:
    """Remove files of uploads that broke off. Beat asks for it every day."""
    AvatarService.remove_orphans()


@shared_task(name="users.clean_expired_tokens")
def clean_expired_tokens() -> None:
    """Delete sessions and refresh tokens that are over by their date. Beat sends it every hour."""
    SessionService.purge_expired()
