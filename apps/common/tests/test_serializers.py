import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from django.db.models import TextChoices
from rest_framework import serializers

from apps.common.serializers import (
    AnswerSerializer,
    EnumField,
    OneLineField,
    StrictBooleanField,
    StrictCharField,
    StrictIntegerField,
    StrictSerializer,
    validated,
)


class ShownSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    tags = serializers.ListField()
    nothing = serializers.CharField(allow_null=True)


class ThingSerializer(StrictSerializer):
    shown_by = ShownSerializer
    name = StrictCharField(max_length=10)
    note = StrictCharField(required=False, allow_null=True)


class BlindSerializer(StrictSerializer):
    name = StrictCharField()


class LineSerializer(StrictSerializer):
    line = OneLineField(max_length=20)


THING = SimpleNamespace(id=7, name="old", tags=["a"], nothing=None)


def codes(serializer: StrictSerializer) -> dict[str, list[str]]:
    assert not serializer.is_valid()
    return {name: [error.code for error in errors] for name, errors in serializer.errors.items()}


@pytest.mark.parametrize("value", [1, 1.5, True, False, ["x"], {"x": 1}])
def test_text_must_have_come_as_text(value: Any) -> None:
    assert codes(BlindSerializer(data={"name": value})) == {"name": ["invalid"]}


@pytest.mark.parametrize(
    ("value", "code"), [("", "blank"), ("  ", "blank"), (None, "null"), ("a\x00b", "null_characters_not_allowed")]
)
def test_text_keeps_the_rules_of_its_field(value: Any, code: str) -> None:
    assert codes(BlindSerializer(data={"name": value})) == {"name": [code]}


@pytest.mark.parametrize("data", [[], ["name"], "name", 1, 1.5, True, None])
def test_what_is_no_object_is_refused_as_a_whole(data: Any) -> None:
    assert list(codes(BlindSerializer(data=data))) == ["non_field_errors"]


def test_an_unknown_field_is_refused_beside_every_other_fault() -> None:
    serializer = ThingSerializer(data={"name": "x" * 11, "role": "admin", "is_staff": True})

    assert codes(serializer) == {"name": ["max_length"], "role": ["unknown"], "is_staff": ["unknown"]}


@pytest.mark.parametrize("name", ["__class__", "", "data", "name ", "Name", "non_field_errors"])
def test_no_other_spelling_is_a_known_field(name: str) -> None:
    assert codes(BlindSerializer(data={"name": "x", name: 1})) == {name: ["unknown"]}


def test_shown_fields_are_taken_as_long_as_they_are_unchanged() -> None:
    serializer = ThingSerializer(THING, data={"id": 7, "name": "new", "tags": ["a"], "nothing": None})

    assert serializer.is_valid()
    assert serializer.validated_data == {"name": "new"}


@pytest.mark.parametrize(
    ("field", "value"), [("id", 8), ("id", "7"), ("id", None), ("tags", ["a", "b"]), ("nothing", "")]
)
def test_a_shown_field_that_is_changed_is_refused(field: str, value: Any) -> None:
    assert codes(ThingSerializer(THING, data={"name": "new", field: value})) == {field: ["read_only"]}


def test_a_field_that_nobody_shows_stays_unknown_beside_an_instance() -> None:
    assert codes(ThingSerializer(THING, data={"name": "new", "password": "x"})) == {"password": ["unknown"]}
    assert codes(BlindSerializer(THING, data={"name": "new", "id": 7})) == {"id": ["unknown"]}


def test_shown_fields_mean_nothing_before_there_is_anything_to_show() -> None:
    assert codes(ThingSerializer(data={"name": "new", "id": 7})) == {"id": ["unknown"]}


def test_a_partial_change_may_leave_out_what_a_whole_one_needs() -> None:
    partial = ThingSerializer(THING, data={"note": None}, partial=True)

    assert partial.is_valid()
    assert partial.validated_data == {"note": None}
    assert codes(ThingSerializer(THING, data={"note": None})) == {"name": ["required"]}


CONTROLS = ["\n", "\r", "\t", "\x00", "\x1b", "\x7f", "\x85", "\x9f", "\u2028", "\u2029"]


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("place", ["{}x", "x{}", "x{}y"])
def test_one_line_holds_no_control_character_wherever_it_stands(control: str, place: str) -> None:
    assert list(codes(LineSerializer(data={"line": place.format(control)}))) == ["line"]


@pytest.mark.parametrize(
    ("given", "taken"), [("Ada L.", "Ada L."), (" Ada ", "Ada"), ("李 😀", "李 😀"), ("a\u00a0b", "a\u00a0b")]
)
def test_one_line_takes_any_other_text(given: str, taken: str) -> None:
    serializer = LineSerializer(data={"line": given})

    assert serializer.is_valid()
    assert serializer.validated_data == {"line": taken}


@pytest.mark.parametrize("field", [StrictCharField(), StrictCharField(allow_blank=True), OneLineField()])
@pytest.mark.parametrize("text", ["a", " a ", "", " ", "\x00", "a\x00", "a\nb", "\n", "李", *CONTROLS])
def test_the_pattern_that_the_schema_shows_takes_what_the_field_takes(field: StrictCharField, text: str) -> None:
    try:
        field.run_validation(text)
        taken = True
    except serializers.ValidationError:
        taken = False

    assert (re.search(field.wire_pattern, text) is not None) == taken


class PlainSerializer(StrictSerializer):
    number = StrictIntegerField()
    flag = StrictBooleanField()


@pytest.mark.parametrize("number", [0, -1, 2**31])
def test_a_number_is_a_number(number: int) -> None:
    serializer = PlainSerializer(data={"number": number, "flag": True})

    assert serializer.is_valid()
    assert serializer.validated_data == {"number": number, "flag": True}


@pytest.mark.parametrize(
    ("field", "value"),
    [("number", "1"), ("number", True), ("number", 1.5), ("flag", 1), ("flag", "true"), ("flag", [])],
)
def test_what_only_looks_like_a_number_or_a_boolean_is_refused(field: str, value: object) -> None:
    serializer = PlainSerializer(data={"number": 1, "flag": True} | {field: value})

    assert not serializer.is_valid()
    assert {name: errors[0].code for name, errors in serializer.errors.items()} == {field: "invalid"}


def test_the_pattern_of_an_optional_line_takes_nothing_and_no_control_character() -> None:
    pattern = OneLineField(allow_blank=True).wire_pattern

    assert re.search(pattern, "")
    assert not re.search(pattern, "a\tb")


class Colour(TextChoices):
    RED = "red"
    BLUE = "blue", "The sky's"


class PaintSerializer(StrictSerializer):
    colour = EnumField(Colour)


def test_an_enum_is_one_of_its_values_and_nothing_that_looks_like_one() -> None:
    serializer = PaintSerializer(data={"colour": "blue"})

    assert validated(serializer) == {"colour": Colour.BLUE}
    for value in ("BLUE", "The sky's", "green", "", 1, ["blue"]):
        assert codes(PaintSerializer(data={"colour": value})) == {"colour": ["invalid_choice"]}


def test_what_is_not_right_is_not_returned() -> None:
    with pytest.raises(serializers.ValidationError) as caught:
        validated(PaintSerializer(data={}))

    assert caught.value.get_codes() == {"colour": ["required"]}


class WholePaintSerializer(StrictSerializer):
    whole = True
    colour = EnumField(Colour, default=Colour.RED)
    note = StrictCharField(required=False, allow_null=True)


def test_what_is_whole_needs_every_field_whatever_its_default() -> None:
    assert codes(WholePaintSerializer(data={})) == {"colour": ["required"], "note": ["required"]}
    assert validated(WholePaintSerializer(data={"colour": "blue", "note": None})) == {"colour": "blue", "note": None}


class Grade(TextChoices):
    LOW = "low"


class HexField(serializers.UUIDField):
    def to_representation(self, value: Any) -> str:
        return f"#{value.hex}"


_FIELDS: dict[str, Any] = {
    "id": serializers.UUIDField(),
    "flat_id": serializers.UUIDField(format="hex", source="id"),
    "own_id": HexField(source="id"),
    "name": serializers.CharField(),
    "email": serializers.EmailField(),
    "count": serializers.IntegerField(),
    "is_open": serializers.BooleanField(),
    "grade": EnumField(Grade),
    "price": serializers.DecimalField(max_digits=8, decimal_places=2),
    "opened_at": serializers.DateTimeField(),
    "opened_on": serializers.DateTimeField(format="%d.%m.%Y", source="opened_at"),
    "closed_at": serializers.DateTimeField(allow_null=True),
    "shelf": serializers.CharField(source="place.shelf"),
    "tags": serializers.ListField(),
}
AllFieldsSerializer = type("AllFieldsSerializer", (AnswerSerializer,), dict(_FIELDS))
DrfSerializer = type("DrfSerializer", (serializers.Serializer,), dict(_FIELDS))


def thing(**changes: Any) -> SimpleNamespace:
    values = {
        "id": UUID("01890000-0000-7000-8000-000000000001"),
        "name": "Ada",
        "email": "ada@example.com",
        "count": 3,
        "is_open": False,
        "grade": Grade.LOW,
        "price": Decimal("2.50"),
        "opened_at": datetime(2030, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC),
        "closed_at": None,
        "place": SimpleNamespace(shelf="7b"),
        "tags": ["a", "b"],
    }
    return SimpleNamespace(**values | changes)


@pytest.mark.parametrize("changes", [{}, {"closed_at": datetime(2030, 1, 2, tzinfo=UTC)}, {"grade": "gone"}])
def test_an_answer_is_what_drf_would_make_of_it(changes: dict[str, Any]) -> None:
    shown = AllFieldsSerializer(thing(**changes)).data

    assert shown == DrfSerializer(thing(**changes)).data
    assert list(shown) == list(_FIELDS)
    assert AllFieldsSerializer([thing(), thing()], many=True).data == DrfSerializer([thing(), thing()], many=True).data


def test_a_moment_is_told_in_utc_wherever_it_was_written() -> None:
    moment = datetime(2030, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2)))

    assert AllFieldsSerializer(thing(opened_at=moment)).data["opened_at"] == "2030-01-02T01:04:05Z"


class GreetingSerializer(AnswerSerializer):
    greeting = serializers.SerializerMethodField()
    farewell = serializers.SerializerMethodField(method_name="get_leave")

    def get_greeting(self, shown: Any) -> str:
        return f"{self.context['word']} {shown.name}"

    def get_leave(self, shown: Any) -> None:
        return None


def test_a_method_of_an_answer_is_asked_by_the_instance_at_hand() -> None:
    for word in ("Hello", "Servus"):
        shown = GreetingSerializer(thing(), context={"word": word}).data
        assert shown == {"greeting": f"{word} Ada", "farewell": None}
