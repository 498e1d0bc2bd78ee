from typing import ClassVar

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
    RevocationThrottle,
    SustainedUserThrottle,
    VerifyThrottle,
)
from apps.common.views import BaseViewSet
from apps.users.serializers import EmailChangeSerializer, EmailVerifySerializer
from apps.users.services import EmailAddressService


class EmailVerifyViewSet(BaseViewSet):
    """What the links of the welcome mail and of a changed address lead to."""

    authentication_classes = []
    permission_classes = [AllowAny]
    throttle_classes = [BurstUserThrottle, SustainedUserThrottle, VerifyThrottle]
    problem_codes: ClassVar[dict[str, tuple[str, ...]]] = {"create": ("conflict",)}

    @extend_schema(request=EmailVerifySerializer, responses={204: NO_CONTENT})
    def create(self, request: Request) -> Response:
        """Confirm an address with the token of a link: that of a new account, or the one it is to have."""
        data = validated(EmailVerifySerializer(data=request.data))
        EmailAddressService.verify(**data)
        return Response(status=204)


class EmailResendViewSet(BaseViewSet):
    """The link of the welcome mail once more."""

    permission_classes = [IsAuthenticated]
    throttle_classes = [BurstUserThrottle, SustainedUserThrottle, VerifyThrottle]

    @extend_schema(request=None, responses={202: ACCEPTED})
    def create(self, request: Request) -> Response:
        """Ask for another link to confirm my address. None is sent if it is confirmed."""
        EmailAddressService.ask_verification(user_id=actor(request).id)
        return Response({}, status=202)


class EmailChangeViewSet(BaseViewSet):
    """Another address for the account of whoever is signed in."""

    permission_classes = [IsAuthenticated]
    throttle_classes = [RevocationThrottle, SustainedUserThrottle, PasswordThrottle]

    @extend_schema(request=EmailChangeSerializer, responses={202: ACCEPTED})
    def create(self, request: Request) -> Response:
        """Ask for another address. It becomes mine when the link that is mailed there is used."""
        data = validated(EmailChangeSerializer(data=request.data))
        EmailAddressService.ask_change(user_id=actor(request).id, **data)
        return Response({}, status=202)
