from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpResponseRedirect
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.parsers import StrictMultiPartParser
from apps.common.renderers import WebPRenderer
from apps.common.requests import actor
from apps.common.schema import NO_CONTENT
from apps.common.serializers import validated
from apps.common.views import BaseViewSet
from apps.users.selectors import AvatarSelector
from apps.users.serializers import AvatarSerializer, UserSerializer
from apps.users.services import AvatarService

_PICTURE: Any = {
    (200, "image/webp"): OpenApiResponse(OpenApiTypes.BINARY, description="The picture."),
    302: OpenApiResponse(description="The picture is at `Location`, for five minutes."),
}


class OwnAvatarViewSet(BaseViewSet):
    """The picture of whoever is signed in."""

    permission_classes = [IsAuthenticated]
    parser_classes = [StrictMultiPartParser]

    @extend_schema(request={"multipart/form-data": AvatarSerializer}, responses=UserSerializer)
    def update(self, request: Request) -> Response:
        """Replace my picture. What is sent is cut to a square of 512 pixels and loses all metadata."""
        file = validated(AvatarSerializer(data=request.data))["file"]
        account = AvatarService.replace(user_id=actor(request).id, content=file.read())
        return Response(UserSerializer(account).data)

    @extend_schema(responses={204: NO_CONTENT})
    def destroy(self, request: Request) -> Response:
        """Take my picture away. Once more is no error."""
        AvatarService.remove(user_id=actor(request).id)
        return Response(status=204)


class AvatarViewSet(BaseViewSet):
    """The pictures of all, for everyone signed in."""

    permission_classes = [IsAuthenticated]
    renderer_classes = [WebPRenderer]
    problem_codes: ClassVar[dict[str, tuple[str, ...]]] = {"retrieve": ("not_found",)}

    @extend_schema(responses=_PICTURE)
    def retrieve(self, request: Request, user_id: UUID) -> HttpResponseBase:
        """Show somebody's picture."""
        address, content = AvatarSelector.of(user_id=user_id)
        return HttpResponseRedirect(address) if address else Response(content)
