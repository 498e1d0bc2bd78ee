import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Self, cast

from django.contrib.auth.base_user import BaseUserManager
from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db import models
from django.db.models import F, Func, Value
from django.db.models.query import ValuesListIterable

from apps.common.enums import Role
from apps.common.fields import Ciphertext
from apps.users.types import Account
from infrastructure.email.addresses import normalize_address

if TYPE_CHECKING:
    from apps.users.models import User

# The address is taken apart, or only its very beginning would be a word. Index and query must name one expression.
SEARCH_VECTOR: Final = SearchVector(
    "name",
    Func(F("email"), Value("@.-_+"), Value("     "), function="translate", output_field=models.TextField()),
    config="simple",
)


# What an account is made of besides its phone, which stays encrypted.
ACCOUNT_COLUMNS: Final = (
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


class _AccountIterable(ValuesListIterable[tuple[Any, ...]]):
    """Rows as accounts: no column that nobody asked for, and nothing decrypted that nobody reads."""

    def __iter__(self) -> Iterator[Any]:
        return map(account_of, super().__iter__())


def account_of(row: Sequence[Any]) -> Account:
    """Return the account of a row: its encrypted phone, then ACCOUNT_COLUMNS."""
    phone_ciphertext, *values = row
    return Account(phone_ciphertext=phone_ciphertext, **dict(zip(ACCOUNT_COLUMNS, values, strict=True)))


class UserQuerySet(models.QuerySet["User"]):
    def accounts(self) -> "models.QuerySet[User, Account]":
        """Return the same rows, each as an account."""
        rows: Any = self.annotate(phone_ciphertext=Ciphertext("phone"))
        rows = rows.values_list("phone_ciphertext", *ACCOUNT_COLUMNS)
        rows._iterable_class = _AccountIterable  # noqa: SLF001  # Django's own way to make other rows of it
        return cast("models.QuerySet[User, Account]", rows)

    def active(self) -> Self:
        return self.filter(is_active=True)

    def by_role(self, role: Role) -> Self:
        return self.filter(role=role)

    def search(self, text: str) -> Self:
        """Keep rows where each word of the text begins a word of the name or the address."""
        words = re.findall(r"\w+", unicodedata.normalize("NFKC", text))
        if not words:
            return self.none()
        prefixes = " & ".join(f"{word}:*" for word in words)
        query = SearchQuery(prefixes, config="simple", search_type="raw")
        return self.alias(words=SEARCH_VECTOR).filter(words=query)


class UserManager(BaseUserManager["User"]):
    def get_queryset(self) -> UserQuerySet:
        return UserQuerySet(self.model, using=self._db)

    def accounts(self) -> "models.QuerySet[User, Account]":
        return self.get_queryset().accounts()

    def active(self) -> UserQuerySet:
        return self.get_queryset().active()

    def by_role(self, role: Role) -> UserQuerySet:
        return self.get_queryset().by_role(role)

    @classmethod
    def normalize_email(cls, email: str | None) -> str:
        """Return the one spelling of an address. Django's own leaves the local part as it was typed."""
        return normalize_address(email or "")

    def get_by_natural_key(self, username: str | None) -> "User":
        """Return the account of an address in any spelling: what the admin site logs in by."""
        return self.get(email=self.normalize_email(username))

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create an account; without a password nobody can log in to it."""
        user = self.model(email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create an admin who may also use the admin site."""
        fields |= {"role": Role.ADMIN, "is_staff": True, "is_superuser": True}
        return self.create_user(email, password, **fields)
