from typing import Any, ClassVar, cast
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.permissions import AllowAny, BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from apps.common.enums import Role
from apps.common.permissions import IsAdminUser, IsOwnerOrAdmin
from apps.common.requests import actor
from apps.common.serializers import StrictSerializer
from apps.common.throttling import (
    BurstUserThrottle,
    LoginThrottle,
    RegisterThrottle,
    RevocationThrottle,
    SustainedUserThrottle,
)
from apps.common.views import BaseViewSet
from apps.users.filters import UserFilter
from apps.users.selectors import UserSelector
from apps.users.serializers import (
    AdminUserUpdateSerializer,
    CredentialsSerializer,
    LoginSerializer,
    ProfileSerializer,
    RefreshSerializer,
    RegisterSerializer,
    UserDetailSerializer,
    UserSerializer,
    UserUpdateSerializer,
)
from apps.users.services import SessionService, UserService

_NO_CONTENT: Any = OpenApiResponse(description="Done.")
_LOCATION: Any = OpenApiParameter(
    "Location",
    location=OpenApiParameter.HEADER,
    response=[201],
    required=True,
    description="The path of the new account.",
)


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

    @extend_schema(request=RegisterSerializer, responses={201: UserSerializer}, parameters=[_LOCATION])
    def register(self, request: Request) -> Response:
        """Open an account. The welcome mail follows."""
        data = _validated(RegisterSerializer(data=request.data))
        account = UserService.register(**data)
        location = reverse("user", kwargs={"user_id": account.id})
        return Response(UserSerializer(account).data, status=201, headers={"Location": location})

    @extend_schema(request=LoginSerializer, responses={200: CredentialsSerializer})
    def login(self, request: Request) -> Response:
        """Open a session on this device."""
        data = _validated(LoginSerializer(data=request.data))
        return Response(CredentialsSerializer(UserService.login(**data)).data)

    @extend_schema(request=RefreshSerializer, responses={200: CredentialsSerializer})
    def refresh(self, request: Request) -> Response:
        """Trade a refresh token for a new pair; the old one is used up."""
        data = _validated(RefreshSerializer(data=request.data))
        return Response(CredentialsSerializer(SessionService.refresh(token=data["refresh"])).data)

    @extend_schema(request=RefreshSerializer, responses={204: _NO_CONTENT})
    def logout(self, request: Request) -> Response:
        """End the session of a refresh token, its access tokens included."""
        data = _validated(RefreshSerializer(data=request.data))
        SessionService.logout(token=data["refresh"])
        return Response(status=204)


class MeViewSet(BaseViewSet):
    """The account of whoever is signed in."""

    permission_classes = [IsAuthenticated]

    @extend_schema(responses=UserSerializer)
    def retrieve(self, request: Request) -> Response:
        """Show my account."""
        return Response(UserSerializer(request.user).data)

    @extend_schema(request=ProfileSerializer, responses=UserSerializer)
    def partial_update(self, request: Request) -> Response:
        """Change my name or phone."""
        me = actor(request)
        changes = _validated(ProfileSerializer(me, data=request.data, partial=True))
        account = UserService.update(actor=me, user_id=me.id, changes=changes)
        return Response(UserSerializer(account).data)


class LogoutAllViewSet(BaseViewSet):
    """Signing out everywhere."""

    permission_classes = [IsAuthenticated]
    throttle_classes = [RevocationThrottle, SustainedUserThrottle]

    @extend_schema(request=None, responses={204: _NO_CONTENT})
    def create(self, request: Request) -> Response:
        """End all my sessions, on every device."""
        SessionService.logout_all(user_id=actor(request).id)
        return Response(status=204)


class UserViewSet(BaseViewSet):
    """Accounts, for admins; each user's own, for that user."""

    serializer_class = UserDetailSerializer
    filterset_class = UserFilter
    problem_codes: ClassVar[dict[str, tuple[str, ...]]] = {
        "update": ("conflict",),
        "partial_update": ("conflict",),
        "destroy": ("conflict",),
    }
    own_account_actions: ClassVar[set[str]] = {"retrieve", "update", "partial_update"}

    def get_permissions(self) -> list[BasePermission]:
        return [IsOwnerOrAdmin() if self.action in self.own_account_actions else IsAdminUser()]

    def get_queryset(self) -> Any:
        return UserSelector.listing()

    def list(self, request: Request) -> Response:
        """List accounts, newest first."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(UserDetailSerializer(page, many=True).data)

    @extend_schema(responses=UserDetailSerializer)
    def retrieve(self, request: Request, user_id: UUID) -> Response:
        """Show an account."""
        return Response(UserDetailSerializer(UserSelector.by_id(user_id=user_id)).data)

    @extend_schema(request=AdminUserUpdateSerializer, responses=UserDetailSerializer)
    def update(self, request: Request, user_id: UUID) -> Response:
        """Replace an account's name and phone; for an admin, the role too."""
        return self._update(request, user_id, partial=False)

    @extend_schema(request=AdminUserUpdateSerializer, responses=UserDetailSerializer)
    def partial_update(self, request: Request, user_id: UUID) -> Response:
        """Change an account's name or phone; for an admin, the role too."""
        return self._update(request, user_id, partial=True)

    @extend_schema(responses={204: _NO_CONTENT})
    def destroy(self, request: Request, user_id: UUID) -> Response:
        """Deactivate an account, at once and everywhere. Once more is no error."""
        UserService.deactivate(actor=actor(request), user_id=user_id)
        return Response(status=204)

    @extend_schema(request=None, responses={204: _NO_CONTENT})
    def reactivate(self, request: Request, user_id: UUID) -> Response:
        """Open a deactivated account again. Once more is no error."""
        UserService.reactivate(actor=actor(request), user_id=user_id)
        return Response(status=204)

    def _update(self, request: Request, user_id: UUID, *, partial: bool) -> Response:
        account = UserSelector.committed(user_id=user_id)
        serializer = _update_serializer(request)(account, data=request.data, partial=partial)
        changed = UserService.update(actor=actor(request), user_id=user_id, changes=_validated(serializer))
        return Response(UserDetailSerializer(changed).data)


def _update_serializer(request: Request) -> type[StrictSerializer]:
    return AdminUserUpdateSerializer if actor(request).role == Role.ADMIN else UserUpdateSerializer


def _validated(serializer: StrictSerializer) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    return cast("dict[str, Any]", serializer.validated_data)
