from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.requests import actor
from apps.common.schema import NO_CONTENT
from apps.common.serializers import validated
from apps.common.throttling import PasswordThrottle, RevocationThrottle, SustainedUserThrottle
from apps.common.views import BaseViewSet
from apps.users.serializers import ErasureSerializer
from apps.users.services import ErasureService


class ErasureViewSet(BaseViewSet):
    """The end of the account of whoever is signed in."""

    permission_classes = [IsAuthenticated]
    throttle_classes = [RevocationThrottle, SustainedUserThrottle, PasswordThrottle]
    problem_codes: ClassVar[dict[str, tuple[str, ...]]] = {"create": ("conflict",)}

    @extend_schema(request=ErasureSerializer, responses={204: NO_CONTENT})
    def create(self, request: Request) -> Response:
        """Erase my account: all that tells whose it was goes, and nothing brings it back."""
        data = validated(ErasureSerializer(data=request.data))
        ErasureService.erase_own(user_id=actor(request).id, password=data["password"])
        return Response(status=204)
