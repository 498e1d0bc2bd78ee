from uuid import UUID

from apps.users.services import (
    AuditService,
    AvatarService,
    EmailAddressService,
    MailService,
    MfaChallengeService,
    SessionService,
)
from infrastructure.queue.jobs import job
from infrastructure.storage import FileStore


@job(name="users.send_welcome_email")
def send_welcome_email(job_id: UUID, user_id: str) -> None:
    """Greet a new account, with the link that confirms its address."""
    MailService.welcome(job_id=job_id, user_id=UUID(user_id))


@job(name="users.send_verification")
def send_verification(job_id: UUID, user_id: str) -> None:
    """Send the link that confirms an address once more."""
    MailService.verification(job_id=job_id, user_id=UUID(user_id))


@job(name="users.send_password_reset")
def send_password_reset(job_id: UUID, user_id: str) -> None:
    """Send the way to a new password, if there is such an account."""
    MailService.password_reset(job_id=job_id, user_id=UUID(user_id))


@job(name="users.send_email_change")
def send_email_change(job_id: UUID, user_id: str) -> None:
    """Send the link that makes another address the account's."""
    MailService.email_change(job_id=job_id, user_id=UUID(user_id))


@job(name="users.send_address_taken")
def send_address_taken(job_id: UUID, user_id: str) -> None:
    """Tell an owner that somebody tried to register with the address."""
    MailService.address_taken(job_id=job_id, user_id=UUID(user_id))


@job(name="users.send_email_changed")
def send_email_changed(job_id: UUID, former_address_id: str) -> None:
    """Tell a former address that it is one."""
    MailService.email_changed(job_id=job_id, former_address_id=UUID(former_address_id))


@job(name="users.send_security_notice")
def send_security_notice(job_id: UUID, user_id: str, notice: str) -> None:
    """Tell an owner what was done to the account, in case it was somebody else."""
    MailService.security_notice(job_id=job_id, user_id=UUID(user_id), notice=notice)


@job(name="users.remove_file")
def remove_file(_job_id: UUID, key: str) -> None:
    """Remove a file that no account names any more."""
    FileStore.delete(key=key)


@job(name="users.clean_orphaned_files")
def clean_orphaned_files(_job_id: UUID, after: str = "") -> None:
    """Remove files of uploads that broke off. Beat asks for it every day."""
    AvatarService.remove_orphans(after=after)


@job(name="users.clean_expired_tokens")
def clean_expired_tokens(_job_id: UUID) -> None:
    """Delete sessions and tokens that are over by their date. Beat asks for it every hour."""
    SessionService.purge_expired()


@job(name="users.clean_session_origins")
def clean_session_origins(_job_id: UUID) -> None:
    """Forget from where old sessions were opened. Beat asks for it every hour."""
    SessionService.forget_origins()


@job(name="users.clean_audit_trail")
def clean_audit_trail(_job_id: UUID) -> None:
    """Delete what the audit trail need not keep any more. Beat asks for it every hour."""
    AuditService.purge_old()


@job(name="users.clean_former_addresses")
def clean_former_addresses(_job_id: UUID) -> None:
    """Delete addresses that could not be told of their change in time. Beat asks for it every hour."""
    EmailAddressService.purge_former()


@job(name="users.clean_mfa_challenges")
def clean_mfa_challenges(_job_id: UUID) -> None:
    """Delete logins that waited for a code in vain. Beat asks for it every hour."""
    MfaChallengeService.purge_expired()
