from typing import Final

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from apps.common.serializers import AnswerSerializer, EmailAddressField, StrictCharField, StrictSerializer
from apps.users.serializers.fields import TOKEN_LENGTH, NameField, PasswordField, PhoneField


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "register",
            value={"email": "ada@example.com", "name": "Ada Lovelace", "password": "correct horse battery"},
            request_only=True,
        )
    ]
)
class RegisterSerializer(StrictSerializer):
    """A new account."""

    email = EmailAddressField()
    name = NameField()
    password = PasswordField(write_only=True)
    phone = PhoneField(required=False)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "login", value={"email": "ada@example.com", "password": "correct horse battery"}, request_only=True
        )
    ]
)
class LoginSerializer(StrictSerializer):
    """Who signs in."""

    # No rule of form for the address: a wrong one is an unknown one.
    email = StrictCharField(max_length=254)
    password = PasswordField(write_only=True)


@extend_schema_serializer(examples=[OpenApiExample("token", value={"refresh": "eyJ…"}, request_only=True)])
class RefreshSerializer(StrictSerializer):
    """The newest refresh token of a session."""

    refresh = StrictCharField(max_length=TOKEN_LENGTH)


CREDENTIALS_EXAMPLE: Final = OpenApiExample(
    "credentials",
    value={"access": "eyJ…", "refresh": "eyJ…", "token_type": "Bearer", "expires_in": 900},
    response_only=True,
)


@extend_schema_serializer(examples=[CREDENTIALS_EXAMPLE])
class CredentialsSerializer(AnswerSerializer):
    access = serializers.CharField()
    refresh = serializers.CharField()
    token_type = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="Seconds until the access token expires.")
