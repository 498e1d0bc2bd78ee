from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.requests import actor
from apps.common.schema import NO_CONTENT
from apps.common.serializers import validated
from apps.common.throttling import (
    BurstUserThrottle,
    MfaThrottle,
    PasswordThrottle,
    SustainedUserThrottle,
)
from apps.common.views import BaseViewSet
from apps.users.selectors import MfaSelector
from apps.users.serializers import (
    CredentialsSerializer,
    MfaConfirmSerializer,
    MfaSetupSerializer,
    MfaStatusSerializer,
    MfaVerifySerializer,
    PasswordSerializer,
    RecoveryCodesSerializer,
)
from apps.users.services import MfaChallengeService, MfaService


class MfaStatusViewSet(BaseViewSet):
    """Whether a second factor is asked for."""

    permission_classes = [IsAuthenticated]

    @extend_schema(responses=MfaStatusSerializer)
    def retrieve(self, request: Request) -> Response:
        """Show whether my second factor is on, and how many recovery codes are left."""
        return Response(MfaStatusSerializer(MfaSelector.status(user_id=actor(request).id)).data)


class MfaViewSet(BaseViewSet):
    """Turning the second factor on and off, with the password."""

    permission_classes = [IsAuthenticated]
    throttle_classes = [BurstUserThrottle, SustainedUserThrottle, PasswordThrottle]
    problem_codes: ClassVar[dict[str, tuple[str, ...]]] = {
        "set_up": ("conflict",),
        "confirm": ("conflict",),
        "recovery": ("conflict",),
    }

    @extend_schema(request=PasswordSerializer, responses={200: MfaSetupSerializer})
    def set_up(self, request: Request) -> Response:
        """Make a secret for my app. It is asked for once it is confirmed."""
        setup = MfaService.setup(user_id=actor(request).id, **validated(PasswordSerializer(data=request.data)))
        return Response(MfaSetupSerializer(setup).data)

    @extend_schema(request=MfaConfirmSerializer, responses={200: RecoveryCodesSerializer})
    def confirm(self, request: Request) -> Response:
        """Turn my second factor on, with a code that the app shows."""
        codes = MfaService.confirm(user_id=actor(request).id, **validated(MfaConfirmSerializer(data=request.data)))
        return _recovery_codes(codes)

    @extend_schema(request=PasswordSerializer, responses={204: NO_CONTENT})
    def disable(self, request: Request) -> Response:
        """Turn my second factor off. Once more is no error."""
        MfaService.disable(user_id=actor(request).id, **validated(PasswordSerializer(data=request.data)))
        return Response(status=204)

    @extend_schema(request=PasswordSerializer, responses={200: RecoveryCodesSerializer})
    def recovery(self, request: Request) -> Response:
        """Make new recovery codes. The ones before work no longer."""
        data = validated(PasswordSerializer(data=request.data))
        return _recovery_codes(MfaService.renew_recovery_codes(user_id=actor(request).id, **data))


class MfaVerifyViewSet(BaseViewSet):
    """The second step of a login."""

    authentication_classes = []
    permission_classes = [AllowAny]
    throttle_classes = [BurstUserThrottle, SustainedUserThrottle, MfaThrottle]
    problem_codes: ClassVar[dict[str, tuple[str, ...]]] = {
        "create": ("authentication_failed", "token_expired", "token_invalid"),
    }

    @extend_schema(request=MfaVerifySerializer, responses={200: CredentialsSerializer})
    def create(self, request: Request) -> Response:
        """Open the session of a login, with a code of the app or a recovery code."""
        data = validated(MfaVerifySerializer(data=request.data))
        credentials = MfaChallengeService.verify(token=data["mfa_token"], code=data["code"])
        return Response(CredentialsSerializer(credentials).data)


def _recovery_codes(codes: list[str]) -> Response:
    data: dict[str, Any] = {"recovery_codes": codes}
    return Response(RecoveryCodesSerializer(data).data)
