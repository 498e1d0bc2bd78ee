from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from apps.chat.enums import Visibility
from apps.chat.models import Invitation
from apps.chat.serializers.members import EXAMPLE_PERSON, PersonSerializer
from apps.common.serializers import EmailAddressField, EnumField, StrictSerializer


@extend_schema_serializer(examples=[OpenApiExample("invite", value={"email": "bob@example.com"}, request_only=True)])
class InviteSerializer(StrictSerializer):
    """Whom to invite."""

    email = EmailAddressField()


class InvitedRoomSerializer(serializers.Serializer[Any]):
    """What is told of a room to whoever is invited to it."""

    slug = serializers.CharField()
    name = serializers.CharField()
    visibility = EnumField(Visibility)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "invitation",
            value={
                "id": "0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a13",
                "room": {"slug": "lamps", "name": "Lamps and lanterns", "visibility": "private"},
                "inviter": EXAMPLE_PERSON,
                "created_at": "2026-01-31T12:00:00Z",
            },
            response_only=True,
        )
    ]
)
class InvitationSerializer(serializers.Serializer[Any]):
    """The way into a room that is open to me."""

    id = serializers.UUIDField()
    room = InvitedRoomSerializer()
    inviter = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()

    @extend_schema_field(PersonSerializer)
    def get_inviter(self, invitation: Invitation) -> dict[str, str | None]:
        return invitation.host.shown()
