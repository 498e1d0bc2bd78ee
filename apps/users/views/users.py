from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.enums import Role
from apps.common.permissions import IsAdminUser, IsOwnerOrAdmin
from apps.common.requests import actor
from apps.common.schema import NO_CONTENT
from apps.common.serializers import StrictSerializer, validated
from apps.common.views import BaseViewSet
from apps.users.filters import UserFilter
from apps.users.selectors import UserSelector
from apps.users.serializers import AdminUserUpdateSerializer, UserDetailSerializer, UserUpdateSerializer
from apps.users.services import UserService


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

    @extend_schema(responses={204: NO_CONTENT})
    def destroy(self, request: Request, user_id: UUID) -> Response:
        """Deactivate an account, at once and everywhere. Once more is no error."""
        UserService.deactivate(actor=actor(request), user_id=user_id)
        return Response(status=204)

    @extend_schema(request=None, responses={204: NO_CONTENT})
    def reactivate(self, request: Request, user_id: UUID) -> Response:
        """Open a deactivated account again. Once more is no error."""
        UserService.reactivate(actor=actor(request), user_id=user_id)
        return Response(status=204)

    def _update(self, request: Request, user_id: UUID, *, partial: bool) -> Response:
        account = UserSelector.committed(user_id=user_id)
        serializer = _update_serializer(request)(account, data=request.data, partial=partial)
        changed = UserService.update(actor=actor(request), user_id=user_id, changes=validated(serializer))
        return Response(UserDetailSerializer(changed).data)


def _update_serializer(request: Request) -> type[StrictSerializer]:
    return AdminUserUpdateSerializer if actor(request).role == Role.ADMIN else UserUpdateSerializer
