from drf_spectacular.utils import OpenApiExample, extend_schema_serializer

from apps.common.serializers import EmailAddressField, StrictSerializer
from apps.users.serializers.fields import EXAMPLE_TOKEN, LinkTokenField, PasswordField


@extend_schema_serializer(examples=[OpenApiExample("verify", value={"token": EXAMPLE_TOKEN}, request_only=True)])
class EmailVerifySerializer(StrictSerializer):
    """The token of the mail's link."""

    token = LinkTokenField()


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "change", value={"email": "ada.king@example.com", "password": "correct horse battery"}, request_only=True
        )
    ]
)
class EmailChangeSerializer(StrictSerializer):
    """The address that the account is to have."""

    email = EmailAddressField()
    password = PasswordField(write_only=True)
