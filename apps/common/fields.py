"""A text column that only the application can read."""

from typing import Any, Final, NoReturn, override

from django.apps import apps
from django.core import checks, validators
from django.core.exceptions import FieldError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Case, CharField, Expression, Field, Func, Lookup, Model, TextField, Value
from django.db.models.expressions import Col
from django.db.models.functions import Cast
from django.db.models.lookups import Exact
from django.dispatch import Signal

from infrastructure import crypto

one_line: Final = validators.RegexValidator(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", "This holds a control character.", inverse_match=True
)
international_number: Final = validators.RegexValidator(
    # ITU-T E.164.
    r"\A\+[1-9][0-9]{6,14}\Z",
    "Write the number with its country code, as in +442079460000.",
)

_IMPOSSIBLE_OPTIONS: Final = {
    "primary_key": "the same text has another ciphertext each time",
    "unique": "the same text has another ciphertext each time",
    "db_index": "nothing can be looked up in it",
    "db_default": "the database would hold the default in clear text",
}


# Sent with `column`, a field's name, and `keys`, the keys of its rows that were just encrypted anew, before the commit:
# a copy of such a row must go, or it would need the old key as long as it lives.
reencrypted: Final = Signal()


class EncryptedCharField(CharField[str | None, str | None]):
    """Text that is encrypted on its way to the database and decrypted on its way back.

    '' and NULL are stored as they are. `max_length` limits the plaintext, whichever way it is written; the column is
    `text`, for a ciphertext is longer. The key is derived for the table and the column, so a renamed column needs its
    values re-encrypted. A value that no key fits raises `infrastructure.crypto.DecryptionError`: it is never shown,
    and never encrypted a second time. The same text gives another ciphertext each time, so the column can be asked
    for NULL and for nothing else, its order means nothing, and it cannot be unique.

    `Ciphertext("phone")` in a query gives the stored ciphertext; `encrypt` and `decrypt` turn one into the other.
    """

    description = "Encrypted text (up to %(max_length)s characters)"

    def __init__(self, verbose_name: str | None = None, *, max_length: int, **kwargs: Any) -> None:
        super().__init__(verbose_name, max_length=max_length, **kwargs)

    @override
    def contribute_to_class(
        self, cls: type[Model], name: str, private_only: bool = False
    ) -> None:  # Django's signature
        super().contribute_to_class(cls, name, private_only)
        # Not those of migrations, which have a registry of their own, nor those that only hand the field down.
        if cls._meta.apps is apps and not cls._meta.abstract:
            _columns.append(self)

    @property
    def purpose(self) -> str:
        """What the key is derived for: the table and the column."""
        return f"{self.model._meta.db_table}.{self.column}"  # noqa: SLF001  # Django's documented name

    def encrypt(self, plaintext: str | None) -> str | None:
        """Return what the column stores for the text.

        Raises:
            ValidationError: If the text is longer than `max_length`.
        """
        if not plaintext:
            return plaintext
        validators.MaxLengthValidator(self.max_length)(plaintext)
        return crypto.encrypt(plaintext, purpose=self.purpose)

    def decrypt(self, ciphertext: str | None) -> str | None:
        """Return the text behind what the column stores.

        Raises:
            DecryptionError: If it was written with another key or for another column, or changed since.
        """
        if not ciphertext:
            return ciphertext
        return crypto.decrypt(ciphertext, purpose=self.purpose)

    def position_of_key(self, ciphertext: str | None) -> int | None:
        """Return which of FIELD_ENCRYPTION_KEYS wrote what the column stores, 0 being the first; None if none did."""
        try:
            return crypto.position_of_key(ciphertext, purpose=self.purpose) if ciphertext else None
        except crypto.DecryptionError:
            return None

    @override
    def get_internal_type(self) -> str:
        return "TextField"

    @override
    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        return [*super().check(**kwargs), *self._check_impossible_options()]

    def _check_impossible_options(self) -> list[checks.CheckMessage]:
        _, _, _, options = self.deconstruct()
        return [
            checks.Error(f"An encrypted field cannot have {option}: {reason}.", obj=self, id="common.E001")
            for option, reason in _IMPOSSIBLE_OPTIONS.items()
            if option in options
        ]

    def from_db_value(self, value: str | None, _expression: Expression, _connection: BaseDatabaseWrapper) -> str | None:
        """Decrypt what a query brings, `values()` and annotations included."""
        return self.decrypt(value)

    @override
    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        if hasattr(value, "as_sql"):
            return self._encrypting(value)
        return super().get_db_prep_save(value, connection)

    @override
    def get_db_prep_value(
        self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False
    ) -> Any:  # Django's signature
        return self.encrypt(super().get_db_prep_value(value, connection, prepared))

    def _encrypting(self, expression: Any) -> Any:
        # An expression writes past the field: a Value, for one, would store its text as it is.
        if isinstance(expression, Value):
            return Value(expression.value, output_field=self)
        if isinstance(expression, Case):
            return self._encrypting_case(expression)
        if isinstance(expression, Cast) and expression.output_field == self:
            # What bulk_update wraps its Case in.
            copy = expression.copy()
            copy.set_source_expressions([self._encrypting(source) for source in expression.get_source_expressions()])
            return copy
        if isinstance(expression, Col) and expression.target == self:
            return expression
        raise FieldError(
            f"{self.name} is encrypted: give it a text, a Value, or a Case of those, "
            f"not {type(expression).__name__}, which the database would compute in clear text."
        )

    def _encrypting_case(self, expression: Case) -> Case:
        copy = expression.copy()
        for when in copy.cases:
            when.result = self._encrypting(when.result)
        copy.default = self._encrypting(copy.default)
        return copy

    @override
    def get_lookup(self, lookup_name: str) -> "type[Lookup[Any]] | None":
        if lookup_name == "isnull":
            return super().get_lookup(lookup_name)
        if lookup_name == "exact":
            return _NullOnly
        raise _refusal(self, lookup_name)

    @override
    def get_transform(self, lookup_name: str) -> NoReturn:
        raise _refusal(self, lookup_name)


_columns: Final[list[EncryptedCharField]] = []


def encrypted_columns() -> list[EncryptedCharField]:
    """Return the encrypted columns of all installed models."""
    return sorted(_columns, key=lambda column: column.purpose)


class _NullOnly(Exact):
    """`filter(phone=None)`, which Django turns into IS NULL; any other comparison would silently find nothing."""

    def __init__(self, lhs: Any, rhs: Any) -> None:
        if rhs is not None:
            raise _refusal(lhs.output_field, "exact")
        super().__init__(lhs, rhs)


def _refusal(field: "Field[Any, Any]", lookup_name: str) -> FieldError:
    return FieldError(f"{field.name} is encrypted: it can be looked up with isnull only, not with {lookup_name}.")


class Ciphertext(Func):
    """The stored value of an encrypted column, for a copy that must not be readable: `Ciphertext("phone")`."""

    template = "%(expressions)s"
    arity = 1
    output_field = TextField()
