from drf_spectacular.utils import OpenApiExample, extend_schema_serializer

from apps.common.serializers import StrictSerializer
from apps.users.serializers.fields import PasswordField


@extend_schema_serializer(
    examples=[OpenApiExample("erase", value={"password": "correct horse battery"}, request_only=True)]
)
class ErasureSerializer(StrictSerializer):
    """The password once more, since nothing brings the account back."""

    password = PasswordField(write_only=True)
