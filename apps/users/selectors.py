from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import BooleanField, ExpressionWrapper, Max, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from apps.common.enums import Role
from apps.common.exceptions import NotFoundError
from apps.common.fields import Ciphertext
from apps.users.managers import ACCOUNT_COLUMNS, UserManager, account_of
from apps.users.models import AuditEntry, RecoveryCode, RefreshToken, Session, TotpDevice, User
from apps.users.types import Account, MfaStatus, OpenSession
from infrastructure.cache import RowCache, RowId
from infrastructure.origin import network_of
from infrastructure.postgres.compiled import CompiledQuery
from infrastructure.storage import FileNotThereError, FileStore

# The columns that a session with its account is made of.
_WITH_ACCOUNT: Final = ("expires_at", "phone_ciphertext", *(f"user__{name}" for name in ACCOUNT_COLUMNS))

# The columns that a cached account is made of.
CACHED_FIELDS: Final = frozenset({*ACCOUNT_COLUMNS, "phone"})

account_cache: Final = RowCache("users")

# The columns that a cached session is made of.
CACHED_SESSION_FIELDS: Final = frozenset({"user", "expires_at", "ended_at"})
# Only open ones are kept. A session never reopens: an ended one is forgotten, and there is no second version of it.
OPEN_SESSION_VERSION: Final = 1

session_cache: Final = RowCache("sessions")


def _account_by_id(user_id: UUID) -> QuerySet[User, Account]:
    return User.objects.accounts().filter(pk=user_id)


def _open_session_by_id(session_id: UUID, user_id: UUID) -> QuerySet[Session, tuple[Any, ...]]:
    rows = Session.objects.filter(pk=session_id, user_id=user_id, ended_at=None)
    return _with_account(rows).values_list(*_WITH_ACCOUNT)


def _with_account(sessions: QuerySet[Session]) -> QuerySet[Session]:
    return sessions.annotate(phone_ciphertext=Ciphertext("user__phone"))


@cache
def _kept_accounts() -> QuerySet[User, Account]:
    # Once: what a filter and the paginator add to it is put into a copy, and this costs as much as they do.
    return User.objects.accounts().filter(erased_at=None).order_by("-created_at", "-id")


_ACCOUNT: Final = CompiledQuery(_account_by_id)
# What a request asks for whose caller is not in the cache.
_OPEN_WITH_ACCOUNT: Final = CompiledQuery(_open_session_by_id)


class UserSelector:
    @staticmethod
    def by_id(*, user_id: UUID) -> Account:
        """Return the account as last committed, from the cache where it may be.

        Raises:
            NotFoundError: If there is none.
        """
        cached = account_cache.look([user_id])
        if user_id in cached.found:
            return from_payload(cached.found[user_id])
        account = UserSelector.committed(user_id=user_id)
        add = partial(account_cache.add, user_id, account.row_version, to_payload(account), history=cached.history)
        # What a transaction reads may be its own, and may never be committed.
        transaction.on_commit(add)
        return account

    @staticmethod
    def committed(*, user_id: UUID) -> Account:
        """Return the account as it stands in the database, past the cache.

        Raises:
            NotFoundError: If there is none.
        """
        row = _ACCOUNT.first(user_id=user_id)
        if row is None:
            raise NotFoundError
        return account_of(row)

    @staticmethod
    def row_version(*, user_id: UUID) -> int:
        """Return how often the row was written, the open transaction's writes included."""
        return User.objects.values_list("row_version", flat=True).get(pk=user_id)

    @staticmethod
    def row_versions(*, user_ids: Sequence[UUID]) -> dict[RowId, int]:
        """Return the same of several rows, by their keys."""
        return dict(User.objects.filter(pk__in=user_ids).values_list("pk", "row_version"))

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
    def having_role(*, user_ids: Collection[UUID], roles: Collection[Role]) -> set[UUID]:
        """Return which of some accounts are active and have one of the roles, past the cache."""
        rows = User.objects.active().filter(pk__in=user_ids, role__in=roles)
        return set(rows.values_list("pk", flat=True))

    @staticmethod
    def list_active() -> list[User]:
        return list(User.objects.active())

    @staticmethod
    def listing() -> QuerySet[User, Account]:
        """Return all accounts but the erased, newest first, for a filter and the paginator."""
        return _kept_accounts().all()


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
    def open_with_account(*, session_id: UUID, user_id: UUID) -> tuple[OpenSession, Account] | None:
        """Return a session of the user that has not been ended, with its account, in one query."""
        row = _OPEN_WITH_ACCOUNT.first(session_id=session_id, user_id=user_id)
        return None if row is None else _session_and_account(row)

    @staticmethod
    def open_with_accounts(*, session_ids: Collection[UUID]) -> dict[UUID, tuple[OpenSession, Account]]:
        """Return those of some sessions that have not been ended, each with its account, in one query."""
        rows = _with_account(Session.objects.filter(pk__in=session_ids, ended_at=None)).values_list(
            "pk", *_WITH_ACCOUNT
        )
        return {session_id: _session_and_account(row) for session_id, *row in rows}

    @staticmethod
    def open_listing(*, user_id: UUID, current_id: UUID) -> QuerySet[Session]:
        """Return the open sessions of a user, newest first, for the paginator; `current` marks one of them."""
        is_current = ExpressionWrapper(Q(pk=current_id), output_field=BooleanField())
        rows = Session.objects.filter(user_id=user_id, ended_at=None, expires_at__gt=timezone.now())
        return rows.annotate(current=is_current).order_by("-created_at", "-id")

    @staticmethod
    def is_open_at(*, email: str, network: str) -> bool:
        """Tell whether the account of an address has an open session that was opened from this network."""
        rows = Session.objects.filter(user__email=UserManager.normalize_email(email), ended_at=None)
        addresses = rows.filter(expires_at__gt=timezone.now()).values_list("address", flat=True)
        return any(network_of(address) == network for address in addresses.distinct() if address)


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


class AuditSelector:
    @staticmethod
    def listing() -> QuerySet[AuditEntry]:
        """Return all entries, newest first, each with the address that account and actor have now, if they are there.

        The addresses are looked up for the rows of a page only, in the statement that brings them.
        """
        return AuditEntry.objects.annotate(
            account_email=Subquery(User.objects.filter(pk=OuterRef("account_id")).values("email")),
            actor_email=Subquery(User.objects.filter(pk=OuterRef("actor_id")).values("email")),
        )

    @staticmethod
    def narrowed_listing(*, listing: QuerySet[AuditEntry], text: str) -> QuerySet[AuditEntry]:
        """Return those entries of a listing that go with an address, an account's or actor's id, or a request's id."""
        if "@" in text:
            account = UserSelector.by_email(email=text)
            return listing.filter(_concerning(account.pk)) if account else listing.none()
        try:
            return listing.filter(_concerning(UUID(text)) | Q(request_id=text))
        except ValueError:
            return listing.filter(request_id=text)


def _session_and_account(row: Sequence[Any]) -> tuple[OpenSession, Account]:
    """Return what the columns _WITH_ACCOUNT hold."""
    expires_at, *values = row
    account = account_of(values)
    return OpenSession(account.id, expires_at), account


def _concerning(user_id: UUID) -> Q:
    return Q(account_id=user_id) | Q(actor_id=user_id)


def to_payload(account: Account) -> dict[str, Any]:
    """Return what the cache holds of an account: nothing that must not be read there."""
    payload: dict[str, Any] = {}
    for name in (*ACCOUNT_COLUMNS, "phone_ciphertext"):
        value = getattr(account, name)
        payload[name] = str(value) if isinstance(value, UUID) else value
        if isinstance(value, datetime):
            payload[name] = value.isoformat()
    return payload


def from_payload(payload: Mapping[str, Any]) -> Account:
    """Return the account that `to_payload` was given."""
    values = dict(payload)
    values["id"] = UUID(values["id"])
    for name in ("email_verified_at", "created_at", "updated_at"):
        values[name] = datetime.fromisoformat(values[name]) if values[name] else None
    return Account(**values)


def session_to_payload(session: OpenSession) -> dict[str, Any]:
    """Return what the cache holds of a session."""
    return {"user_id": str(session.user_id), "expires_at": session.expires_at.isoformat()}


def session_from_payload(payload: Mapping[str, Any]) -> OpenSession:
    """Return the session that `session_to_payload` was given."""
    return OpenSession(UUID(payload["user_id"]), datetime.fromisoformat(payload["expires_at"]))
