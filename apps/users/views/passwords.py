from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.requests import actor
from apps.common.schema import ACCEPTED, NO_CONTENT
from apps.common.serializers import validated
from apps.common.throttling import (
    BurstUserThrottle,
    PasswordThrottle,
    ResetThrottle,
    RevocationThrottle,
    SustainedUserThrottle,
)
from apps.common.views import BaseViewSet
from apps.users.authentication import bearer_of
from apps.users.serializers import (
    CredentialsSerializer,
    PasswordChangeSerializer,
    PasswordResetConfirmSerializer,
    PasswordResetSerializer,
)
from apps.users.services import PasswordService


class PasswordChangeViewSet(BaseViewSet):
    """Another password, for whoever knows the one there is."""

    permission_classes = [IsAuthenticated]
    throttle_classes = [RevocationThrottle, SustainedUserThrottle, PasswordThrottle]

    @extend_schema(request=PasswordChangeSerializer, responses={200: CredentialsSerializer})
    def create(self, request: Request) -> Response:
        """Change my password. All my sessions end but this one, which goes on with the new pair."""
        data = validated(PasswordChangeSerializer(data=request.data))
        credentials = PasswordService.change(
            user_id=actor(request).id, session_id=bearer_of(request).session_id, **data
        )
        return Response(CredentialsSerializer(credentials).data)


class PasswordResetViewSet(BaseViewSet):
    """The way back for whoever forgot the password."""

    authentication_classes = []
    permission_classes = [AllowAny]
    throttle_classes = [BurstUserThrottle, SustainedUserThrottle, ResetThrottle]

    @extend_schema(request=PasswordResetSerializer, responses={202: ACCEPTED})
    def create(self, request: Request) -> Response:
        """Ask for a mail with a link to a new password. The answer is the same whether there is such an account."""
        data = validated(PasswordResetSerializer(data=request.data))
        PasswordService.ask_reset(email=data["email"])
        return Response({}, status=202)


class PasswordResetConfirmViewSet(BaseViewSet):
    """What the link of that mail leads to."""

    authentication_classes = []
    permission_classes = [AllowAny]
    throttle_classes = [RevocationThrottle, SustainedUserThrottle, ResetThrottle]

    @extend_schema(request=PasswordResetConfirmSerializer, responses={204: NO_CONTENT})
    def create(self, request: Request) -> Response:
        """Set a new password with the token of a link. Every session ends; sign in with the new one."""
        data = validated(PasswordResetConfirmSerializer(data=request.data))
        PasswordService.reset(**data)
        return Response(status=204)
