from typing import Any, Final

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from apps.chat.models import CLIENT_ID_LENGTH, TEXT_LENGTH
from apps.chat.serializers.members import EXAMPLE_PERSON, PersonSerializer
from apps.chat.serializers.rooms import MAX_SEQ
from apps.chat.types import PAGE_LIMIT
from apps.common.serializers import NOT_BLANK_PATTERN, StrictCharField, StrictSerializer

_EXAMPLE: Final = {
    "id": "0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a12",
    "seq": 412,
    "message": "Good evening.",
    "from": EXAMPLE_PERSON["id"],
    "author": EXAMPLE_PERSON,
    "client_id": "3f6f2c1e",
    "sent_at": "2026-01-31T18:30:00Z",
}


class TextField(StrictCharField):
    """What is said, exactly as it was typed; something is to be seen in it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=TEXT_LENGTH, trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not text.strip():
            self.fail("blank")
        return text

    @property
    def wire_pattern(self) -> str:
        return NOT_BLANK_PATTERN


@extend_schema_serializer(examples=[OpenApiExample("message", value=_EXAMPLE, response_only=True)])
class MessageSerializer(serializers.Serializer[Any]):
    """A message as `Said.shown` has it."""

    id = serializers.UUIDField()
    seq = serializers.IntegerField(help_text="Its place among all that happened in the room.")
    message = serializers.CharField(allow_blank=True, help_text="Empty of a deleted one.")
    author = PersonSerializer(allow_null=True, help_text="Null where the room itself speaks.")
    client_id = serializers.CharField(required=False, help_text="What its author's client calls it.")
    sent_at = serializers.DateTimeField()
    edited_at = serializers.DateTimeField(required=False)
    deleted = serializers.BooleanField(required=False, help_text="Present and true of a deleted one.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        # No name that a class could have.
        sender = serializers.CharField(help_text="The id of its author, or `system`.")
        return super().get_fields() | {"from": sender}

    def to_representation(self, instance: dict[str, Any]) -> dict[str, Any]:
        return instance


@extend_schema_serializer(
    examples=[OpenApiExample("page", value={"messages": [_EXAMPLE], "complete": False}, response_only=True)]
)
class MessagePageSerializer(serializers.Serializer[Any]):
    """Messages in the order of their numbers."""

    messages = MessageSerializer(many=True)
    complete = serializers.BooleanField(help_text="Whether there are no more in this direction.")


class WholeNumberField(serializers.IntegerField):
    """A whole number in an address: digits and nothing else."""

    def to_internal_value(self, data: Any) -> int:
        if not (isinstance(data, str) and data.isascii() and data.isdigit()):
            self.fail("invalid")
        return super().to_internal_value(data)


class HistorySerializer(serializers.Serializer[Any]):
    """Which messages are asked for: the newest, if neither `before` nor `after` says otherwise."""

    before = WholeNumberField(required=False, min_value=0, max_value=MAX_SEQ, help_text="The number before which.")
    after = WholeNumberField(required=False, min_value=0, max_value=MAX_SEQ, help_text="The number after which.")
    limit = WholeNumberField(default=50, min_value=1, max_value=PAGE_LIMIT, help_text="How many at most.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "before" in attrs and "after" in attrs:
            raise serializers.ValidationError({"before": "Ask for what is before or for what is after."}, code="both")
        return attrs


@extend_schema_serializer(
    examples=[OpenApiExample("message", value={"message": "Good evening.", "client_id": "3f6f2c1e"}, request_only=True)]
)
class MessageCreateSerializer(StrictSerializer):
    """What to say."""

    message = TextField()
    client_id = StrictCharField(
        required=False,
        min_length=1,
        max_length=CLIENT_ID_LENGTH,
        trim_whitespace=False,
        help_text="A name of the client's own: sent again under it, it is the same message.",
    )


@extend_schema_serializer(examples=[OpenApiExample("edit", value={"message": "Good night."}, request_only=True)])
class MessageUpdateSerializer(StrictSerializer):
    """What may change of a message."""

    shown_by = MessageSerializer

    message = TextField()


@extend_schema_serializer(
    examples=[OpenApiExample("announcement", value={"message": "We close at ten."}, request_only=True)]
)
class AnnouncementSerializer(StrictSerializer):
    """What a room shall say itself."""

    message = TextField()
