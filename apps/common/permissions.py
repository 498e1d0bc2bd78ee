from typing import TYPE_CHECKING, Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from apps.common.enums import Role

if TYPE_CHECKING:
    from rest_framework.views import APIView


class IsAdminUser(BasePermission):
    """The role admin. Flags of the admin site give no right over the API."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        user: Any = request.user
        return bool(user.is_authenticated and user.role == Role.ADMIN)


class IsOwnerOrAdmin(BasePermission):
    """The one whose id the address names, or an admin.

    Decided by the address alone, so that the answer does not tell whether a foreign id exists.
    """

    def has_permission(self, request: Request, view: "APIView") -> bool:
        user: Any = request.user
        if not user.is_authenticated:
            return False
        return bool(user.role == Role.ADMIN or view.kwargs.get("user_id") == user.id)
