from typing import Any, Final

from django.core.validators import RegexValidator
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from apps.chat.enums import RoomRole, Visibility
from apps.chat.models import NAME_LENGTH, SLUG_LENGTH
from apps.common.serializers import (
    EnumField,
    OneLineField,
    StrictBooleanField,
    StrictCharField,
    StrictIntegerField,
    StrictSerializer,
)

MAX_SEQ: Final = 2**63 - 1
EXAMPLE_ROOM: Final = {
    "slug": "lamps",
    "name": "Lamps and lanterns",
    "visibility": "public",
    "last_seq": 412,
    "closed_at": None,
    "my_role": "member",
    "unread": 3,
    "created_at": "2026-01-31T12:00:00Z",
}


class SlugField(StrictCharField):
    """What a room's address is made of."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)
        self.validators.append(
            RegexValidator(
                rf"\A[a-z0-9_-]{{1,{SLUG_LENGTH}}}\Z",
                f"This must be 1 to {SLUG_LENGTH} lower-case letters of ASCII, digits, hyphens and underscores.",
            )
        )


@extend_schema_serializer(examples=[OpenApiExample("room", value=EXAMPLE_ROOM, response_only=True)])
class RoomSerializer(serializers.Serializer[Any]):
    """A room as somebody sees it."""

    slug = serializers.CharField()
    name = serializers.CharField()
    visibility = EnumField(Visibility)
    last_seq = serializers.IntegerField(help_text="The number of what happened last in it.")
    closed_at = serializers.DateTimeField(allow_null=True, help_text="Since when nothing can be said in it.")
    my_role = EnumField(RoomRole, allow_null=True, help_text="Mine in it; null if I am not in it.")
    unread = serializers.IntegerField(
        help_text="Messages of others after the last that I have read; 100 stands for more as well."
    )
    created_at = serializers.DateTimeField()


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "room", value={"slug": "lamps", "name": "Lamps and lanterns", "visibility": "public"}, request_only=True
        )
    ]
)
class RoomCreateSerializer(StrictSerializer):
    """What makes a room."""

    slug = SlugField(help_text="Its address for good: not even a deleted room's is given twice.")
    name = OneLineField(max_length=NAME_LENGTH)
    visibility = EnumField(Visibility, default=Visibility.PUBLIC)


@extend_schema_serializer(
    examples=[
        OpenApiExample("rename", value={"name": "Lamps"}, request_only=True),
        OpenApiExample("close", value={"closed": True}, request_only=True),
    ]
)
class RoomUpdateSerializer(StrictSerializer):
    """What may change of a room."""

    shown_by = RoomSerializer

    name = OneLineField(max_length=NAME_LENGTH)
    visibility = EnumField(Visibility)
    closed = StrictBooleanField(help_text="Whether nothing can be said in it.")


@extend_schema_serializer(examples=[OpenApiExample("read", value={"seq": 412}, request_only=True)])
class ReadSerializer(StrictSerializer):
    """How far somebody has read."""

    seq = StrictIntegerField(min_value=0, max_value=MAX_SEQ, help_text="The number of the last message that was read.")
