from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from apps.chat.selectors import InvitationSelector
from apps.chat.serializers import InvitationSerializer, RoomSerializer
from apps.chat.services import InvitationService
from apps.common.requests import actor
from apps.common.schema import NO_CONTENT
from apps.common.views import BaseViewSet


class InvitationViewSet(BaseViewSet):
    """Invitations into rooms that I have not answered."""

    permission_classes = [IsAuthenticated]
    serializer_class = InvitationSerializer
    filter_backends = []
    problem_codes: ClassVar[dict[str, tuple[str, ...]]] = {
        "accept": ("forbidden", "conflict"),
        "decline": ("conflict",),
    }

    def list(self, request: Request) -> Response:
        """List the invitations that I have not answered, newest first."""
        page: Any = self.paginate_queryset(InvitationSelector.open_listing(user_id=actor(request).id))
        return self.get_paginated_response(InvitationSerializer(page, many=True).data)

    @extend_schema(request=None, responses=RoomSerializer)
    def accept(self, request: Request, invitation_id: UUID) -> Response:
        """Become a member of the room that I am invited to. Once more is no error."""
        room = InvitationService.accept(actor=actor(request), invitation_id=invitation_id)
        return Response(RoomSerializer(room).data)

    @extend_schema(request=None, responses={204: NO_CONTENT})
    def decline(self, request: Request, invitation_id: UUID) -> Response:
        """Turn an invitation down. Once more is no error."""
        InvitationService.decline(actor=actor(request), invitation_id=invitation_id)
        return Response(status=204)
