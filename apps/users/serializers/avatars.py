from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from apps.common.serializers import StrictSerializer


@extend_schema_serializer(
    examples=[
        OpenApiExample("picture", value={"file": "(the bytes of a picture)"}, media_type="multipart/form-data"),
    ]
)
class AvatarSerializer(StrictSerializer):
    """A picture; what it is is told by its content, never by its name."""

    file = serializers.FileField(allow_empty_file=False, use_url=False, help_text="JPEG, PNG, WebP or GIF.")
