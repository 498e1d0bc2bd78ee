from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from apps.common.schema import ACCEPTED, LOCATION, NO_CONTENT
from apps.common.serializers import validated
from apps.common.throttling import (
    BurstUserThrottle,
    LoginThrottle,
    RegisterThrottle,
    RevocationThrottle,
    SustainedUserThrottle,
)
from apps.common.views import BaseViewSet
from apps.users.serializers import (
    LOGIN_ANSWER,
    ChallengeSerializer,
    CredentialsSerializer,
    LoginSerializer,
    RefreshSerializer,
    RegisterSerializer,
    UserSerializer,
)
from apps.users.services import RegistrationService, SessionService, UserService
from apps.users.types import Challenge


class AuthViewSet(BaseViewSet):
    """Signing up, in and out."""

    authentication_classes = []
    permission_classes = [AllowAny]
    problem_codes: ClassVar[dict[str, tuple[str, ...]]] = {
        "register": ("conflict",),
        "login": ("authentication_failed",),
        "refresh": ("token_expired", "token_invalid", "token_reused", "session_revoked"),
    }
    throttles_by_action: ClassVar[dict[str, list[type]]] = {
        "register": [BurstUserThrottle, SustainedUserThrottle, RegisterThrottle],
        "login": [BurstUserThrottle, SustainedUserThrottle, LoginThrottle],
    }
    throttle_classes = [RevocationThrottle, SustainedUserThrottle]

    def get_throttles(self) -> list[Any]:
        return [throttle() for throttle in self.throttles_by_action.get(self.action, self.throttle_classes)]

    @extend_schema(request=RegisterSerializer, responses={201: UserSerializer, 202: ACCEPTED}, parameters=[LOCATION])
    def register(self, request: Request) -> Response:
        """Open an account. The welcome mail follows.

        Where the server does not disclose taken addresses, it is 202 with an empty object, taken or not.
        """
        data = validated(RegisterSerializer(data=request.data))
        account = RegistrationService.sign_up(**data)
        if account is None:
            return Response({}, status=202)
        location = reverse("user", kwargs={"user_id": account.id})
        return Response(UserSerializer(account).data, status=201, headers={"Location": location})

    @extend_schema(request=LoginSerializer, responses={200: LOGIN_ANSWER})
    def login(self, request: Request) -> Response:
        """Open a session on this device, or learn that a code is still to come."""
        answer = UserService.login(**validated(LoginSerializer(data=request.data)))
        shape = ChallengeSerializer if isinstance(answer, Challenge) else CredentialsSerializer
        return Response(shape(answer).data)

    @extend_schema(request=RefreshSerializer, responses={200: CredentialsSerializer})
    def refresh(self, request: Request) -> Response:
        """Trade a refresh token for a new pair; the old one is used up."""
        data = validated(RefreshSerializer(data=request.data))
        return Response(CredentialsSerializer(SessionService.refresh(token=data["refresh"])).data)

    @extend_schema(request=RefreshSerializer, responses={204: NO_CONTENT})
    def logout(self, request: Request) -> Response:
        """End the session of a refresh token, its access tokens included."""
        data = validated(RefreshSerializer(data=request.data))
        SessionService.logout(token=data["refresh"])
        return Response(status=204)
