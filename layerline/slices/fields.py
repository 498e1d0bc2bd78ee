"""The types of field that the command line knows, each with the code that the files of a slice hold for it."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from layerline.slices.errors import SliceError
from layerline.slices.names import camel, check_choice, check_field, snake

_LONGEST_TEXT: Final = 10_000
_LONGEST_LINE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a model, as code.

    Args:
        name: The field on the model.
        wire: The field in JSON and in the services, which differs for a reference.
        column: What stands on the right in models.py.
        serializer: What stands on the right in serializers.py.
        shown: What stands on the right in the serializer of answers.
        annotation: Its type in types.py.
        values: Two different values, as Python code of the tests.
        sent: The same two, as Python code of what a client sends.
        wrong: What a client must not send, as Python code, with the code of the error.
        filters: Lines of filters.py.
        query: A query that finds the row with the first value and not the one with the second; None where none can.
        optional: Whether it may be left out.
        blank: What it is then, as Python code of JSON.
        orders: Whether a list may be ordered by it.
        choices: The values of its enum.
        enum: The name of its enum.
        target: The slice and the model that a reference leads to.
        example: A value for the OpenAPI document, as Python code.
    """

    name: str
    wire: str
    column: str
    serializer: str
    shown: str
    annotation: str
    values: tuple[str, str]
    sent: tuple[str, str]
    wrong: tuple[str, str]
    optional: bool
    blank: str
    orders: bool = False
    filters: tuple[str, ...] = ()
    query: str | None = None
    choices: tuple[str, ...] = ()
    enum: str = ""
    target: tuple[str, str] | None = None
    example: str = ""

    @property
    def parameters(self) -> list[str]:
        """What a list takes in its address to be narrowed by it."""
        return [line.partition(" ")[0] for line in self.filters]

    @property
    def target_id(self) -> str:
        """The argument under which the other slice's selector takes the key."""
        return f"{snake(self.target[1])}_id" if self.target else ""

    @property
    def json(self) -> bool:
        """Whether its values may be changed in place, so that each row needs its own."""
        return self.annotation.startswith("dict")

    @property
    def form(self) -> tuple[str, str]:
        """The two values as entries of what a browser sends."""
        first, second = (self._entry(sent) for sent in self.sent)
        return first, second

    def _entry(self, sent: str) -> str:
        if self.annotation == "bool":
            return f'"{self.name}": "on", ' if sent == "True" else ""
        if self.annotation.startswith("datetime"):
            return f'"{self.name}_0": {sent[:11]}", "{self.name}_1": "12:00:00", '
        return f'"{self.name}": {repr(sent) if self.json else sent}, '


@dataclass(frozen=True, slots=True)
class Wish:
    """What was typed of one field.

    Args:
        argument: What stands behind the type, such as a length.
        model: The name of the model that the field is of.
    """

    name: str
    argument: str
    optional: bool
    model: str

    def without_argument(self) -> None:
        """Refuse an argument.

        Raises:
            SliceError: If there is one.
        """
        if self.argument:
            raise SliceError(f"{self.name}: this type takes nothing after it, and {self.argument!r} stands there.")


def parse(text: str, model: str) -> Field:
    """Return the field that `name:type[:argument][?]` describes.

    Raises:
        SliceError: If it describes none.
    """
    optional = text.endswith("?")
    name, _, rest = text.removesuffix("?").partition(":")
    kind, _, argument = rest.partition(":")
    check_field(name)
    if kind not in _KINDS:
        raise SliceError(f"{text!r}: there is no type {kind!r}. There are: {', '.join(_KINDS)}.")
    return _KINDS[kind](Wish(name, argument, optional, model))


def _quoted(*texts: str) -> tuple[str, str]:
    first, second = (json.dumps(text) for text in texts)
    return first, second


def _text(wish: Wish, *, column: str, arguments: str, field: str, values: tuple[str, str]) -> Field:
    # Django's own convention: no text is an empty one, so that there is one way to say it and not two.
    blank = 'blank=True, default=""' if wish.optional else ""
    wire = 'allow_blank=True, default=""' if wish.optional else ""
    return Field(
        name=wish.name,
        wire=wish.name,
        column=f"models.{column}({_joined(arguments, blank)})",
        serializer=f"{field.replace('(', f'({wire}, ' if wire else '(', 1)}",
        shown="serializers.CharField()",
        annotation="str",
        values=values,
        sent=values,
        wrong=('"nobody"' if "validators" in field else "1", "invalid"),
        optional=wish.optional,
        blank='""',
        orders=column != "TextField",
        example=values[0],
    )


def _joined(*arguments: str) -> str:
    return ", ".join(argument for argument in arguments if argument)


def _str(wish: Wish) -> Field:
    length = wish.argument or "200"
    if not re.fullmatch(r"[1-9][0-9]{0,3}", length) or int(length) > _LONGEST_LINE:
        raise SliceError(
            f"{wish.name}: the length of a str is a number from 1 to {_LONGEST_LINE}; longer ones are text."
        )
    values = _quoted("First"[: int(length)], "Other"[: int(length)])
    return _text(
        wish,
        column="CharField",
        arguments=f"max_length={length}, validators=[one_line]",
        field=f"OneLineField(max_length={length})",
        values=values,
    )


def _long_text(wish: Wish) -> Field:
    wish.without_argument()
    return _text(
        wish,
        column="TextField",
        arguments=f"max_length={_LONGEST_TEXT:_}",
        field=f"StrictCharField(max_length={_LONGEST_TEXT:_})",
        values=_quoted("First line\nand another", "Other"),
    )


def _email(wish: Wish) -> Field:
    wish.without_argument()
    return _text(
        wish,
        column="EmailField",
        arguments="max_length=254",
        field="OneLineField(max_length=254, validators=[EmailValidator()])",
        values=_quoted("ada@example.com", "bob@example.com"),
    )


def _url(wish: Wish) -> Field:
    wish.without_argument()
    return _text(
        wish,
        # Not a URLField, whose form field warns of a scheme that it is to assume one day.
        column="CharField",
        arguments='max_length=500, validators=[URLValidator(schemes=["http", "https"])]',
        field='OneLineField(max_length=500, validators=[URLValidator(schemes=["http", "https"])])',
        values=_quoted("https://example.com/first", "https://example.com/other"),
    )


@dataclass(frozen=True, slots=True)
class _Plain:
    """A type that takes no argument and whose field may be null; its attributes are those of Field."""

    column: str
    serializer: str
    annotation: str
    values: tuple[str, str]
    sent: tuple[str, str]
    wrong: str
    code: str = "invalid"
    orders: bool = True
    filters: tuple[str, ...] = ()
    query: str | None = None

    def __call__(self, wish: Wish) -> Field:
        wish.without_argument()
        shown = self.serializer.replace("Strict", "serializers.").partition("(min_value")[0].removesuffix(")")
        return Field(
            name=wish.name,
            wire=wish.name,
            column=_with(f"models.{self.column}", "null=True, blank=True" if wish.optional else ""),
            serializer=_with(self.serializer, "allow_null=True, default=None" if wish.optional else ""),
            shown=_with(f"{shown}{'' if '(' in shown else '('})", "allow_null=True" if wish.optional else ""),
            annotation=f"{self.annotation} | None" if wish.optional else self.annotation,
            values=self.values,
            sent=self.sent,
            wrong=(self.wrong, self.code),
            optional=wish.optional,
            blank="None",
            orders=self.orders,
            filters=tuple(line.format(name=wish.name) for line in self.filters),
            query=self.query.format(name=wish.name) if self.query else None,
            example=self.sent[0],
        )


def _with(call: str, arguments: str) -> str:
    head, _, tail = call.rpartition(")")
    return f"{head}{', ' if arguments and not head.endswith('(') else ''}{arguments}){tail}"


def _bool(wish: Wish) -> Field:
    wish.without_argument()
    return Field(
        name=wish.name,
        wire=wish.name,
        column=f"models.BooleanField({'default=False' if wish.optional else ''})",
        serializer=f"StrictBooleanField({'default=False' if wish.optional else ''})",
        shown="serializers.BooleanField()",
        annotation="bool",
        values=("True", "False"),
        sent=("True", "False"),
        wrong=('"yes"', "invalid"),
        optional=wish.optional,
        blank="False",
        filters=(f"{wish.name} = StrictBooleanFilter()",),
        query=f"{wish.name}=true",
        example="True",
    )


def _choice(wish: Wish) -> Field:
    choices = wish.argument.split("|")
    for choice in choices:
        check_choice(choice)
    if len(set(choices)) != len(choices) or len(choices) < len("ab"):
        raise SliceError(f"{wish.name}: name at least two different choices, as in {wish.name}:choice:draft|sent.")
    enum = f"{wish.model}{camel(wish.name)}"
    default = f"default={enum}.{choices[0].upper()}" if wish.optional else ""
    return Field(
        name=wish.name,
        wire=wish.name,
        column=f"models.CharField({_joined('max_length=30', f'choices={enum}', default)})",
        serializer=f"EnumField({_joined(enum, default)})",
        shown=f"EnumField({enum})",
        annotation="str",
        values=(f"{enum}.{choices[0].upper()}", f"{enum}.{choices[1].upper()}"),
        sent=_quoted(*choices[:2]),
        wrong=('"no_such_choice"', "invalid_choice"),
        optional=wish.optional,
        blank=json.dumps(choices[0]),
        filters=(f"{wish.name} = django_filters.ChoiceFilter(choices={enum}.choices)",),
        query=f"{wish.name}={choices[0]}",
        choices=tuple(choices),
        enum=enum,
        example=json.dumps(choices[0]),
    )


def _ref(wish: Wish) -> Field:
    slice_, _, target = wish.argument.partition(".")
    if not (slice_ and target):
        raise SliceError(f"{wish.name}: name the slice and its model, as in {wish.name}:ref:users.User.")
    if wish.name.endswith("_id"):
        raise SliceError(f"{wish.name}: leave out the _id; in JSON it comes by itself.")
    on_delete = "SET_NULL, null=True, blank=True" if wish.optional else "CASCADE"
    label = "settings.AUTH_USER_MODEL" if wish.argument == "users.User" else json.dumps(wish.argument)
    made = f"{target}Factory.create().pk"
    return Field(
        name=wish.name,
        wire=f"{wish.name}_id",
        # No name on the other side: no slice looks at another's rows.
        column=f'models.ForeignKey({label}, on_delete=models.{on_delete}, related_name="+")',
        serializer=f"serializers.UUIDField({'allow_null=True, default=None' if wish.optional else ''})",
        shown=f"serializers.UUIDField({'allow_null=True' if wish.optional else ''})",
        annotation="UUID | None" if wish.optional else "UUID",
        values=(made, made),
        sent=(f"str({made})", f"str({made})"),
        wrong=('"0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7aff"', "does_not_exist"),
        optional=wish.optional,
        blank="None",
        filters=(f"{wish.name}_id = django_filters.UUIDFilter()",),
        target=(slice_, target),
        example='"0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a12"',
    )


_DATES: Final = (
    '{name}_after = django_filters.DateFilter(field_name="{name}", lookup_expr="gt", input_formats=["%Y-%m-%d"])',
    '{name}_before = django_filters.DateFilter(field_name="{name}", lookup_expr="lt", input_formats=["%Y-%m-%d"])',
)
_MOMENTS: Final = (
    '{name}_after = MomentFilter(field_name="{name}", lookup_expr="gt")',
    '{name}_before = MomentFilter(field_name="{name}", lookup_expr="lt")',
)
_KINDS: Final[dict[str, Callable[[Wish], Field]]] = {
    "str": _str,
    "text": _long_text,
    "int": _Plain(
        "IntegerField()",
        "StrictIntegerField(min_value=-(2**31), max_value=2**31 - 1)",
        "int",
        ("1", "2"),
        ("1", "2"),
        '"many"',
    ),
    "bool": _bool,
    "decimal": _Plain(
        "DecimalField(max_digits=12, decimal_places=2)",
        "serializers.DecimalField(max_digits=12, decimal_places=2)",
        "Decimal",
        ('Decimal("12.50")', 'Decimal("99.90")'),
        ('"12.50"', '"99.90"'),
        '"much"',
    ),
    "date": _Plain(
        "DateField()",
        "serializers.DateField()",
        "date",
        ("date(2026, 1, 31)", "date(2026, 2, 28)"),
        ('"2026-01-31"', '"2026-02-28"'),
        '"tomorrow"',
        filters=_DATES,
        query="{name}_before=2026-02-01",
    ),
    "datetime": _Plain(
        "DateTimeField()",
        "serializers.DateTimeField()",
        "datetime",
        ("datetime(2026, 1, 31, 12, tzinfo=UTC)", "datetime(2026, 2, 28, 12, tzinfo=UTC)"),
        ('"2026-01-31T12:00:00Z"', '"2026-02-28T12:00:00Z"'),
        '"tomorrow"',
        filters=_MOMENTS,
        query="{name}_before=2026-02-01T00:00:00Z",
    ),
    "uuid": _Plain(
        "UUIDField()",
        "serializers.UUIDField()",
        "UUID",
        ('UUID("0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a13")', 'UUID("0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a14")'),
        ('"0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a13"', '"0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a14"'),
        '"none"',
        orders=False,
    ),
    "email": _email,
    "url": _url,
    "json": _Plain(
        "JSONField()",
        "serializers.DictField()",
        "dict[str, Any]",
        ('{"key": "first"}', '{"key": ["other", 1]}'),
        ('{"key": "first"}', '{"key": ["other", 1]}'),
        "[1]",
        code="not_a_dict",
        orders=False,
    ),
    "choice": _choice,
    "ref": _ref,
}
