from drf_spectacular.utils import extend_schema
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.requests import actor
from apps.common.serializers import validated
from apps.common.views import BaseViewSet
from apps.users.serializers import ProfileSerializer, UserSerializer
from apps.users.services import UserService


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
        changes = validated(ProfileSerializer(me, data=request.data, partial=True))
        account = UserService.update(actor=me, user_id=me.id, changes=changes)
        return Response(UserSerializer(account).data)
