from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.users.enums import AuditAction, LinkPurpose
from apps.users.exceptions import EmailTakenError
from apps.users.managers import UserManager
from apps.users.models import FormerAddress, User
from apps.users.selectors import UserSelector
from apps.users.services.audit import AuditService
from apps.users.services.links import linked_user, read_link, require_purpose
from apps.users.services.passwords import lock_verified, require_password
from infrastructure import batches
from infrastructure.links import LinkToken
from infrastructure.queue import outbox

# Longer than the outbox tries to reach a former address; what is left then will not be told any more.
FORMER_ADDRESS_KEPT: Final = timedelta(days=7)


class EmailAddressService:
    @staticmethod
    def ask_verification(*, user_id: UUID) -> None:
        """Mail the link that confirms the address once more; to a confirmed one nothing is sent."""
        with transaction.atomic():
            outbox.enqueue("users.send_verification", {"user_id": str(user_id)})

    @staticmethod
    def ask_change(*, user_id: UUID, email: str, password: str) -> None:
        """Mail a link to another address, which becomes the account's when it is used.

        A taken address is answered like a free one: its owner gets a mail without a link. The account's own address
        takes back what was asked before.

        Raises:
            WrongPasswordError: If the password is wrong.
        """
        verified = require_password(user_id, password)
        with transaction.atomic():
            user = lock_verified(verified)
            wanted = UserManager.normalize_email(email)
            user.pending_email = None if wanted == user.email else wanted
            user.save(update_fields=["pending_email", "updated_at"])
            AuditService.record(action=AuditAction.EMAIL_CHANGE_ASKED, account_id=user.pk)
            outbox.enqueue("users.send_email_change", {"user_id": str(user.pk)})

    @staticmethod
    def verify(*, token: str) -> None:
        """Confirm the address that a link was mailed to: that of a new account, or the one that it is to have.

        Raises:
            InvalidInputError: If the link is no good.
            EmailTakenError: If another account got the address meanwhile.
        """
        link = read_link(token)
        try:
            _confirm(link)
        except IntegrityError as error:
            wanted = linked_user(link).pending_email
            if wanted and UserSelector.email_exists(email=wanted):
                raise EmailTakenError from error
            raise

    @staticmethod
    def purge_former() -> int:
        """Delete a batch of the former addresses that could not be told in time, leave the next to a job.

        Returns:
            How many went.
        """
        untold = FormerAddress.objects.filter(created_at__lt=timezone.now() - FORMER_ADDRESS_KEPT)
        with transaction.atomic():
            purged = batches.delete(untold, oldest="created_at")
            if purged.more:
                outbox.enqueue("users.clean_former_addresses", {})
        return purged.count


@transaction.atomic
def _confirm(link: LinkToken) -> None:
    user = linked_user(link, lock=True)
    purpose = require_purpose(link, user, LinkPurpose.VERIFY_EMAIL, LinkPurpose.CHANGE_EMAIL)
    user.email_verified_at = timezone.now()
    if purpose == LinkPurpose.VERIFY_EMAIL:
        user.save(update_fields=["email_verified_at", "updated_at"])
        AuditService.record(action=AuditAction.EMAIL_VERIFIED, account_id=user.pk)
    else:
        _change(user)


def _change(user: User) -> None:
    former = FormerAddress.objects.create(user=user, email=user.email)
    user.email = user.pending_email or user.email
    user.pending_email = None
    user.save(update_fields=["email", "pending_email", "email_verified_at", "updated_at"])
    AuditService.record(action=AuditAction.EMAIL_CHANGED, account_id=user.pk)
    outbox.enqueue("users.send_email_changed", {"former_address_id": str(former.pk)})
