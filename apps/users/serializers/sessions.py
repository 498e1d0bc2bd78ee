from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from apps.common.serializers import AnswerSerializer
from apps.users.models import Session
from infrastructure.devices import device_name


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "session",
            value={
                "id": "0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a10",
                "device": "Firefox on Linux",
                "address": "192.0.2.1",
                "created_at": "2026-01-31T12:00:00Z",
                "last_used_at": "2026-01-31T18:30:00Z",
                "current": True,
            },
            response_only=True,
        )
    ]
)
class SessionSerializer(AnswerSerializer):
    """A login on one device."""

    id = serializers.UUIDField()
    device = serializers.SerializerMethodField(help_text="A name for people, made of the User-Agent header.")
    address = serializers.IPAddressField(allow_null=True, help_text="From where it was opened.")
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(help_text="When its tokens were last refreshed.")
    current = serializers.BooleanField(help_text="Whether this request belongs to it.")

    def get_device(self, session: Session) -> str:
        return device_name(session.user_agent)


@extend_schema_serializer(
    examples=[OpenApiExample("ticket", value={"ticket": "dGlja2V0…", "expires_in": 30}, response_only=True)]
)
class TicketSerializer(AnswerSerializer):
    ticket = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="Seconds.")
