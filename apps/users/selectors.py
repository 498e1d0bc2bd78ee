from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils import timezone

from apps.common.exceptions import NotFoundError
from apps.common.fields import Ciphertext
from apps.users.managers import UserManager
from apps.users.models import RecoveryCode, RefreshToken, Session, TotpDevice, User
from apps.users.types import Account, MfaStatus
from infrastructure.cache import RowCache
from infrastructure.storage import FileNotThereError, FileStore

_ACCOUNT_FIELDS: Final = (
    "id",
    "email",
    "name",
    "role",
    "is_active",
    "is_staff",
    "email_verified_at",
    "avatar",
    "token_version",
    "row_version",
    "created_at",
    "updated_at",
)

# The columns that a cached account is made of.
CACHED_FIELDS: Final = frozenset({*_ACCOUNT_FIELDS, "phone"})

account_cache: Final = RowCache("users")


class UserSelector:
    @staticmethod
    def by_id(*, user_id: UUID) -> Account:
        """Return the account as last committed, from the cache where it may be.

        Raises:
            NotFoundError: If there is none.
        """
        cached = account_cache.get_many([user_id]).get(user_id)
        if cached is not None:
            return _from_payload(cached)
        account = UserSelector.committed(user_id=user_id)
        # What a transaction reads may be its own, and may never be committed.
        transaction.on_commit(partial(account_cache.add, user_id, account.row_version, to_payload(account)))
        return account

    @staticmethod
    def committed(*, user_id: UUID) -> Account:
        """Return the account as it stands in the database, past the cache.

        Raises:
            NotFoundError: If there is none.
        """
        rows = User.objects.filter(pk=user_id).annotate(phone_ciphertext=Ciphertext("phone"))
        row = rows.values(*_ACCOUNT_FIELDS, "phone_ciphertext").first()
        if row is None:
            raise NotFoundError
        return Account(**row)

    @staticmethod
    def row_version(*, user_id: UUID) -> int:
        """Return how often the row was written, the open transaction's writes included."""
        return User.objects.values_list("row_version", flat=True).get(pk=user_id)

    @staticmethod
    def by_email(*, email: str) -> User | None:
        """Return the account of an address in any spelling, its encrypted columns unread."""
        rows = User.objects.filter(email=UserManager.normalize_email(email))
        return rows.defer("phone", "pending_email").first()

    @staticmethod
    def id_by_email(*, email: str) -> UUID | None:
        """Return whose address it is, for as much work as nobody's costs."""
        return User.objects.filter(email=UserManager.normalize_email(email)).values_list("pk", flat=True).first()

    @staticmethod
    def email_exists(*, email: str) -> bool:
        return User.objects.filter(email=UserManager.normalize_email(email)).exists()

    @staticmethod
    def list_active() -> list[User]:
        return list(User.objects.active())

    @staticmethod
    def listing() -> QuerySet[User]:
        """Return all accounts but the erased, newest first, for a filter and the paginator."""
        return User.objects.filter(erased_at=None).order_by("-created_at", "-id")


class AvatarSelector:
    @staticmethod
    def of(*, user_id: UUID) -> tuple[str | None, bytes]:
        """Return where an account's picture can be fetched for a while, or else its content.

        Raises:
            NotFoundError: If there is no such active account, or it has no picture.
            StorageUnavailable: If the picture cannot be read.
        """
        account = UserSelector.by_id(user_id=user_id)
        if not (account.is_active and account.avatar):
            raise NotFoundError
        address = FileStore.address(key=account.avatar)
        if address is not None:
            return address, b""
        try:
            return None, FileStore.read(key=account.avatar)
        except FileNotThereError as error:
            raise NotFoundError from error


class SessionSelector:
    @staticmethod
    def account_of(*, session_id: UUID, user_id: UUID) -> tuple[Session, Account] | None:
        """Return a session with its account, in one query."""
        rows = Session.objects.filter(pk=session_id, user_id=user_id).select_related("user")
        session = (
            rows.defer("user__phone", "user__password").annotate(phone_ciphertext=Ciphertext("user__phone")).first()
        )
        if session is None:
            return None
        fields = {name: getattr(session.user, name) for name in _ACCOUNT_FIELDS}
        return session, Account(phone_ciphertext=session.phone_ciphertext, **fields)


class MfaSelector:
    @staticmethod
    def is_on(*, user_id: UUID) -> bool:
        return TotpDevice.objects.filter(user_id=user_id, confirmed_at__isnull=False).exists()

    @staticmethod
    def status(*, user_id: UUID) -> MfaStatus:
        return MfaStatus(
            enabled=MfaSelector.is_on(user_id=user_id),
            recovery_codes_left=RecoveryCode.objects.filter(user_id=user_id, used_at=None).count(),
        )


class SigningKeySelector:
    @staticmethod
    def in_use() -> dict[str, datetime]:
        """Return the keys that signed refresh tokens which are not expired, each with the last one's expiry."""
        living = RefreshToken.objects.filter(expires_at__gt=timezone.now())
        return dict(living.values_list("key_id").annotate(Max("expires_at")))


def to_payload(account: Account) -> dict[str, Any]:
    """Return what the cache holds of an account: nothing that must not be read there."""
    payload: dict[str, Any] = {}
    for name in (*_ACCOUNT_FIELDS, "phone_ciphertext"):
        value = getattr(account, name)
        payload[name] = str(value) if isinstance(value, UUID) else value
        if isinstance(value, datetime):
            payload[name] = value.isoformat()
    return payload


def _from_payload(payload: Mapping[str, Any]) -> Account:
    values = dict(payload)
    values["id"] = UUID(values["id"])
    for name in ("email_verified_at", "created_at", "updated_at"):
        values[name] = datetime.fromisoformat(values[name]) if values[name] else None
    return Account(**values)
