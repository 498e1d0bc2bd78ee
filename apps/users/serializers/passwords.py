from drf_spectacular.utils import OpenApiExample, extend_schema_serializer

from apps.common.serializers import EmailAddressField, StrictSerializer
from apps.users.serializers.fields import EXAMPLE_TOKEN, LinkTokenField, PasswordField


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "change", value={"current": "correct horse battery", "new": "nine hundred lanterns"}, request_only=True
        )
    ]
)
class PasswordChangeSerializer(StrictSerializer):
    """A new password, and the one that it replaces."""

    current = PasswordField(write_only=True)
    new = PasswordField(write_only=True)


@extend_schema_serializer(examples=[OpenApiExample("reset", value={"email": "ada@example.com"}, request_only=True)])
class PasswordResetSerializer(StrictSerializer):
    """Whose password is forgotten."""

    email = EmailAddressField()


@extend_schema_serializer(
    examples=[
        OpenApiExample("confirm", value={"token": EXAMPLE_TOKEN, "new": "nine hundred lanterns"}, request_only=True)
    ]
)
class PasswordResetConfirmSerializer(StrictSerializer):
    """The token of the mail's link, and the new password."""

    token = LinkTokenField()
    new = PasswordField(write_only=True)
