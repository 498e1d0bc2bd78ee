from typing import Final

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from apps.common.enums import Role
from apps.common.serializers import AnswerSerializer, EnumField, StrictSerializer
from apps.users.models import User
from apps.users.serializers.fields import NameField, PhoneField
from apps.users.types import Account, avatar_path

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


@extend_schema_serializer(examples=[OpenApiExample("user", value=_EXAMPLE_USER, response_only=True)])
class UserSerializer(AnswerSerializer):
    """What a user sees of the own account."""

    id = serializers.UUIDField()
    email = serializers.EmailField()
    name = serializers.CharField()
    phone = serializers.CharField(allow_null=True)
    role = EnumField(Role)
    email_verified = serializers.BooleanField()
    avatar = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()

    def get_avatar(self, user: User | Account) -> str | None:
        return avatar_path(user.id, user.avatar)


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

    role = EnumField(Role)
