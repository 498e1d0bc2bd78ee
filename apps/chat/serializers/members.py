from typing import Any, Final

from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from apps.chat.enums import RoomRole
from apps.chat.models import Membership
from apps.common.serializers import EnumField, StrictSerializer

EXAMPLE_PERSON: Final = {
    "id": "0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a10",
    "name": "Ada Lovelace",
    "avatar": "/api/v1/users/0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a10/avatar/",
}


class PersonSerializer(serializers.Serializer[Any]):
    """What others see of an account."""

    id = serializers.UUIDField()
    name = serializers.CharField(allow_blank=True, help_text="Empty of an erased account.")
    avatar = serializers.CharField(allow_null=True, help_text="The path of the picture.")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "member", value={"user": EXAMPLE_PERSON, "role": "member", "muted_until": None}, response_only=True
        )
    ]
)
class MemberSerializer(serializers.Serializer[Any]):
    """Somebody's place in a room."""

    user = serializers.SerializerMethodField()
    role = EnumField(RoomRole)
    muted_until = serializers.DateTimeField(allow_null=True)

    @extend_schema_field(PersonSerializer)
    def get_user(self, member: Membership) -> dict[str, str | None]:
        return member.person.shown()


@extend_schema_serializer(examples=[OpenApiExample("role", value={"role": "moderator"}, request_only=True)])
class MemberUpdateSerializer(StrictSerializer):
    """What may change of a member."""

    shown_by = MemberSerializer

    role = EnumField(RoomRole)


@extend_schema_serializer(
    examples=[
        OpenApiExample("mute", value={"until": "2099-01-31T13:00:00Z"}, request_only=True),
        OpenApiExample("unmute", value={"until": None}, request_only=True),
    ]
)
class MuteSerializer(StrictSerializer):
    """Until when somebody may say nothing."""

    until = serializers.DateTimeField(allow_null=True, help_text="Null lets him speak again.")
