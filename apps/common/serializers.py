"""The strictness that every slice's serializers share: no field is ignored, no value is bent into shape."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from operator import attrgetter
from typing import Any, Final, cast

from django.core.exceptions import ValidationError as DjangoValidationError
from django.core.validators import EmailValidator
from django.db.models import TextChoices
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import empty, get_error_detail

from apps.common.fields import one_line
from infrastructure.email.addresses import normalize_address

# As many as help whoever made a mistake; a body of a mebibyte holds a hundred thousand.
_FOREIGN_FIELDS: Final = 20
# Of a text with something to be seen in it. What Python counts as a blank and ECMA does not is written out.
NOT_BLANK_PATTERN: Final = r"^[^\u0000]*[^\s\u0000\u001c-\u001f\u0085][^\u0000]*$"


class StrictCharField(serializers.CharField):
    """Text that came as text: DRF's own also takes numbers and booleans."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        # As it came, as the schema says it, and not only as it will be stored.
        if self.max_length is not None and len(data) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        return super().to_internal_value(data)

    @property
    def wire_pattern(self) -> str:
        """What the text must match as it comes, in the regular expressions of JSON Schema (ECMA 262)."""
        if self.trim_whitespace and not self.allow_blank:
            return NOT_BLANK_PATTERN
        return r"^[^\u0000]*$"


class OneLineField(StrictCharField):
    """Text without control characters, at its ends neither: a line break would be a way into a mail's header."""

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        # Before the blanks around it are taken away, and a line break with them.
        try:
            one_line(data)
        except DjangoValidationError as error:
            raise serializers.ValidationError(get_error_detail(error)) from None
        return text

    @property
    def wire_pattern(self) -> str:
        refused = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
        if self.allow_blank:
            return rf"^[^{refused}]*$"
        return rf"^[^{refused}]*[^\s{refused}][^{refused}]*$"


@extend_schema_field(OpenApiTypes.EMAIL)
class EmailAddressField(OneLineField):
    """An address in its one spelling: it is checked as it will be stored, not as it was typed."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=254, **kwargs)
        self.validators.append(EmailValidator())

    def to_internal_value(self, data: Any) -> str:
        return normalize_address(super().to_internal_value(data))


class StrictIntegerField(serializers.IntegerField):
    """A whole number that came as a number: DRF's own also takes text."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return super().to_internal_value(data)


class StrictBooleanField(serializers.BooleanField):
    """`true` or `false`: DRF's own also takes numbers and a dozen words."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class EnumField(serializers.ChoiceField):
    """One of an enum's values. The OpenAPI document calls it by the enum's name, wherever it stands."""

    def __init__(self, enum: type[TextChoices], **kwargs: Any) -> None:
        self.enum = enum
        super().__init__(choices=enum.choices, **kwargs)


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields it does not know.

    A field that the answer shows and that cannot be written is taken as long as it is unchanged, so that a client
    may send back what it was given. `shown_by` names the serializer of that answer.
    """

    shown_by: type[serializers.BaseSerializer[Any]] | None = None
    # Whether every field has to be there, as in a PUT, also one that a new row may do without.
    whole = False

    default_error_messages = {
        "unknown": "This field is not known here.",
        "read_only": "This field cannot be changed.",
    }

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = super().get_fields()
        for field in fields.values() if self.whole else ():
            field.required, field.default = True, empty
        return fields

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        values: dict[str, Any] = {}
        errors: dict[str, Any] = {}
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as error:
            if not isinstance(data, Mapping):
                raise
            errors = dict(error.detail)  # type: ignore[arg-type]  # a serializer's detail is a dict
        errors |= self._foreign_fields(data)
        if errors:
            raise serializers.ValidationError(errors)
        return values

    def _foreign_fields(self, data: Mapping[str, Any]) -> dict[str, list[serializers.ErrorDetail]]:
        foreign = [name for name in data if name not in self.fields][:_FOREIGN_FIELDS]
        if not foreign:
            return {}
        shown = self.shown_by(self.instance).data if self.shown_by and self.instance is not None else {}
        return {
            str(name): [self._error("read_only" if name in shown else "unknown")]
            for name in foreign
            if name not in shown or data[name] != shown[name]
        }

    def _error(self, code: str) -> serializers.ErrorDetail:
        return serializers.ErrorDetail(str(self.error_messages[code]), code=code)


class AnswerSerializer(serializers.Serializer[Any]):
    """What an answer shows of an object, one attribute or method for each field.

    DRF copies all fields for each instance, and looks up for each value how to read and to show it. Here both is found
    out once for the class. So its fields are those that the class declares, whatever instance asks.
    """

    def to_representation(self, instance: Any) -> dict[str, Any]:
        shown = {}
        for name, read, show in _shape(type(self)):
            value = read(self, instance)
            shown[name] = None if value is None else show(value)
        return shown


@cache
def _shape(kind: type[AnswerSerializer]) -> tuple[tuple[str, Callable[[Any, Any], Any], Callable[[Any], Any]], ...]:
    """Return of each field its name, what reads its value from an object, and what makes JSON of that."""
    return tuple((name, _reader(kind, field), _shower(field)) for name, field in kind().fields.items())


def _reader(kind: type[AnswerSerializer], field: Any) -> Callable[[Any, Any], Any]:
    if isinstance(field, serializers.SerializerMethodField):
        return cast("Callable[[Any, Any], Any]", getattr(kind, field.method_name))
    attribute = attrgetter(field.source)
    return lambda _, instance: attribute(instance)


def _shower(field: Any) -> Callable[[Any], Any]:
    if isinstance(field, serializers.SerializerMethodField):
        return lambda value: value
    # One that was told a format is left to it.
    plain = None if "format" in field._kwargs else _PLAIN.get(type(field))  # noqa: SLF001  # as DRF copies it
    return plain or cast("Callable[[Any], Any]", field.to_representation)


def _in_utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC).isoformat()[:-6]}Z"


# What DRF's own do in the end, without the way there.
_PLAIN: Final[dict[type, Callable[[Any], Any]]] = {
    serializers.CharField: str,
    serializers.EmailField: str,
    serializers.UUIDField: str,
    serializers.IntegerField: int,
    serializers.BooleanField: bool,
    serializers.DateTimeField: _in_utc,
}


class FieldErrorSerializer(serializers.Serializer[Any]):
    """What an error tells of one wrong field."""

    field = serializers.CharField(help_text="Empty where the body as a whole is wrong.")
    code = serializers.CharField()
    detail = serializers.CharField()


def validated(serializer: serializers.BaseSerializer[Any]) -> dict[str, Any]:
    """Return what a body says, once it is known to be right.

    Raises:
        ValidationError: If it is not, naming each wrong field.
    """
    serializer.is_valid(raise_exception=True)
    return cast("dict[str, Any]", serializer.validated_data)
