from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from apps.chat.enums import RoomRole
from apps.chat.filters import MemberFilter
from apps.chat.selectors import MemberSelector, RoomSelector
from apps.chat.serializers import InviteSerializer, MemberSerializer, MemberUpdateSerializer, MuteSerializer
from apps.chat.services import InvitationService, MemberService, ReadingService
from apps.common.requests import actor
from apps.common.schema import ACCEPTED, NO_CONTENT
from apps.common.serializers import validated
from apps.common.views import BaseViewSet, idempotent


class MemberViewSet(BaseViewSet):
    """Who is in a room, and as what."""

    permission_classes = [IsAuthenticated]
    serializer_class = MemberSerializer
    filterset_class = MemberFilter
    # By its model the API's document knows the filters.
    queryset = MemberSelector.listing(room_id=UUID(int=0))
    problem_codes: ClassVar[dict[str, tuple[str, ...]]] = {
        "list": ("forbidden",),
        "create": ("forbidden",),
        "partial_update": ("forbidden", "conflict"),
        "destroy": ("forbidden", "conflict"),
        "mute": ("forbidden",),
        "ban": ("forbidden",),
        "unban": ("forbidden",),
    }

    def list(self, request: Request, slug: str) -> Response:
        """List the members of a room, who has been there longest first."""
        members = ReadingService.members_listing(actor=actor(request), slug=slug)
        page: Any = self.paginate_queryset(self.filter_queryset(members))
        return self.get_paginated_response(MemberSerializer(page, many=True).data)

    @extend_schema(request=InviteSerializer, responses={202: ACCEPTED})
    @idempotent
    def create(self, request: Request, slug: str) -> Response:
        """Invite somebody into a room that I moderate. The answer does not tell whether the address is anybody's."""
        RoomSelector.access(actor=actor(request), slug=slug, least=RoomRole.MODERATOR)
        data = validated(InviteSerializer(data=request.data))
        InvitationService.invite(actor=actor(request), slug=slug, **data)
        return Response({}, status=202)

    @extend_schema(request=MemberUpdateSerializer, responses=MemberSerializer)
    def partial_update(self, request: Request, slug: str, user_id: UUID) -> Response:
        """Give a member of a room that I own another role, that of an owner included."""
        access = RoomSelector.access(actor=actor(request), slug=slug, least=RoomRole.OWNER)
        shown = MemberSelector.one(room_id=access.room_id, user_id=user_id)
        data = validated(MemberUpdateSerializer(shown, data=request.data, partial=True))
        role = data.get("role", shown.role)
        member = MemberService.set_role(actor=actor(request), slug=slug, user_id=user_id, role=role)
        return Response(MemberSerializer(member).data)

    @extend_schema(responses={204: NO_CONTENT})
    def destroy(self, request: Request, slug: str, user_id: UUID) -> Response:
        """Remove a member below me from a room that I moderate. If it is public, nothing keeps him from coming back."""
        MemberService.remove(actor=actor(request), slug=slug, user_id=user_id)
        return Response(status=204)

    @extend_schema(request=MuteSerializer, responses={204: NO_CONTENT})
    def mute(self, request: Request, slug: str, user_id: UUID) -> Response:
        """Let somebody below me say nothing until a time, or speak again. It outlives his leaving."""
        RoomSelector.access(actor=actor(request), slug=slug, least=RoomRole.MODERATOR, or_overseer=True)
        data = validated(MuteSerializer(data=request.data))
        MemberService.mute(actor=actor(request), slug=slug, user_id=user_id, **data)
        return Response(status=204)

    @extend_schema(request=None, responses={204: NO_CONTENT})
    def ban(self, request: Request, slug: str, user_id: UUID) -> Response:
        """Ban somebody below me from a room that I moderate. Once more is no error."""
        MemberService.ban(actor=actor(request), slug=slug, user_id=user_id)
        return Response(status=204)

    @extend_schema(responses={204: NO_CONTENT})
    def unban(self, request: Request, slug: str, user_id: UUID) -> Response:
        """Let somebody come back to a room that I moderate. Once more is no error."""
        MemberService.unban(actor=actor(request), slug=slug, user_id=user_id)
        return Response(status=204)


class BanViewSet(BaseViewSet):
    """Who is banned from a room."""

    permission_classes = [IsAuthenticated]
    serializer_class = MemberSerializer
    filter_backends = []
    problem_codes: ClassVar[dict[str, tuple[str, ...]]] = {"list": ("forbidden",)}

    def list(self, request: Request, slug: str) -> Response:
        """List who is banned from a room that I moderate, the first first."""
        page: Any = self.paginate_queryset(ReadingService.banned_listing(actor=actor(request), slug=slug))
        return self.get_paginated_response(MemberSerializer(page, many=True).data)
