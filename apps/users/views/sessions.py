from drf_spectacular.utils import extend_schema
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.requests import actor
from apps.common.schema import NO_CONTENT
from apps.common.throttling import RevocationThrottle, SustainedUserThrottle
from apps.common.views import BaseViewSet
from apps.users.services import SessionService


class LogoutAllViewSet(BaseViewSet):
    """Signing out everywhere."""

    permission_classes = [IsAuthenticated]
    throttle_classes = [RevocationThrottle, SustainedUserThrottle]

    @extend_schema(request=None, responses={204: NO_CONTENT})
    def create(self, request: Request) -> Response:
        """End all my sessions, on every device."""
        SessionService.logout_all(user_id=actor(request).id)
        return Response(status=204)
