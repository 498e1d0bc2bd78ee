from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction

from apps.users.enums import AuditAction
from apps.users.managers import UserManager
from apps.users.models import User
from apps.users.selectors import UserSelector
from apps.users.services.accounts import UserService
from apps.users.services.audit import AuditService
from apps.users.services.passwords import require_good_password
from apps.users.types import Account
from infrastructure.queue import outbox


class RegistrationService:
    @staticmethod
    def sign_up(*, email: str, name: str, password: str, phone: str | None = None) -> Account | None:
        """Open an account for a stranger.

        Returns:
            None where REGISTRATION_DISCLOSES_TAKEN is off: then neither answer nor time tells whether the address was
            free, and its owner gets a mail either way.

        Raises:
            InvalidInputError: If the password breaks a rule.
            EmailTakenError: If an account has the address and that may be told.
        """
        if settings.REGISTRATION_DISCLOSES_TAKEN:
            return UserService.register(email=email, name=name, password=password, phone=phone)
        user = User(email=UserManager.normalize_email(email), name=name, phone=phone)
        require_good_password(password, user)
        user.password = make_password(password)
        _insert_unless_taken(user)
        return None


@transaction.atomic
def _insert_unless_taken(user: User) -> None:
    """Run the same statements for a free address and for a taken one."""
    User.objects.bulk_create([user], ignore_conflicts=True)
    owner_id = UserSelector.id_by_email(email=user.email) or user.pk
    if owner_id == user.pk:
        AuditService.record(action=AuditAction.REGISTERED, account_id=owner_id)
        outbox.enqueue("users.send_welcome_email", {"user_id": str(owner_id)})
    else:
        AuditService.record(action=AuditAction.REGISTRATION_TRIED, account_id=owner_id)
        outbox.enqueue("users.send_address_taken", {"user_id": str(owner_id)})
