from typing import Any, Final

from django.core.validators import EmailValidator
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from apps.common.enums import Role
from apps.common.fields import international_number
from apps.common.serializers import OneLineField, StrictCharField, StrictSerializer
from apps.users.managers import UserManager
from apps.users.models import User
from apps.users.types import Account

PASSWORD_LENGTH: Final = 1_024
TOKEN_LENGTH: Final = 4_096
_EXAMPLE_USER: Final = {
    "id": "0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a10",
    "email": "ada@example.com",
    "name": "Ada Lovelace",
    "phone": "+442079460000",
    "role": "user",
    "email_verified": False,
    "avatar": None,
    "created_at": "2026-01-31T12:00:00Z",
}


@extend_schema_field(OpenApiTypes.EMAIL)
class EmailAddressField(OneLineField):
    """An address in its one spelling: it is checked as it will be stored, not as it was typed."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=254, **kwargs)
        self.validators.append(EmailValidator())

    def to_internal_value(self, data: Any) -> str:
        return UserManager.normalize_email(super().to_internal_value(data))


class NameField(OneLineField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=150, **kwargs)


class PhoneField(StrictCharField):
    """A number in the international form of ITU-T E.164."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_null=True, max_length=16, **kwargs)
        self.validators.append(international_number)


class PasswordField(StrictCharField):
    """A password exactly as typed: nothing is trimmed."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=PASSWORD_LENGTH, trim_whitespace=False, **kwargs)


@extend_schema_serializer(examples=[OpenApiExample("user", value=_EXAMPLE_USER, response_only=True)])
class UserSerializer(serializers.Serializer[Any]):
    """What a user sees of the own account."""

    id = serializers.UUIDField()
    email = serializers.EmailField()
    name = serializers.CharField()
    phone = serializers.CharField(allow_null=True)
    role = serializers.ChoiceField(choices=Role.choices)
    email_verified = serializers.BooleanField()
    avatar = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()

    def get_avatar(self, user: User | Account) -> str | None:
        return user.avatar or None


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "user",
            value=_EXAMPLE_USER | {"is_active": True, "updated_at": "2026-01-31T12:00:00Z"},
            response_only=True,
        )
    ]
)
class UserDetailSerializer(UserSerializer):
    """What an admin sees of an account."""

    is_active = serializers.BooleanField()
    updated_at = serializers.DateTimeField()


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


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "credentials",
            value={"access": "eyJ…", "refresh": "eyJ…", "token_type": "Bearer", "expires_in": 900},
            response_only=True,
        )
    ]
)
class CredentialsSerializer(serializers.Serializer[Any]):
    access = serializers.CharField()
    refresh = serializers.CharField()
    token_type = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="Seconds until the access token expires.")


@extend_schema_serializer(examples=[OpenApiExample("me", value={"name": "Ada King", "phone": None}, request_only=True)])
class ProfileSerializer(StrictSerializer):
    """What a user may change of the own account."""

    shown_by = UserSerializer

    name = NameField()
    phone = PhoneField()


@extend_schema_serializer(
    examples=[OpenApiExample("user", value={"name": "Ada King", "phone": None}, request_only=True)]
)
class UserUpdateSerializer(ProfileSerializer):
    """What the owner may change of an account."""

    shown_by = UserDetailSerializer


@extend_schema_serializer(
    examples=[OpenApiExample("user", value={"name": "Ada King", "phone": None, "role": "moderator"}, request_only=True)]
)
class AdminUserUpdateSerializer(UserUpdateSerializer):
    """What an admin may change of an account."""

    role = serializers.ChoiceField(choices=Role.choices)
