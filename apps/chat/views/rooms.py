from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from apps.chat.enums import RoomRole
from apps.chat.filters import RoomFilter
from apps.chat.selectors import RoomSelector
from apps.chat.serializers import (
    AnnouncementSerializer,
    ReadSerializer,
    RoomCreateSerializer,
    RoomSerializer,
    RoomUpdateSerializer,
)
from apps.chat.services import MemberService, RoomService
from apps.common.requests import actor
from apps.common.schema import ACCEPTED, LOCATION, NO_CONTENT
from apps.common.serializers import validated
from apps.common.views import BaseViewSet, idempotent


class RoomViewSet(BaseViewSet):
    """Rooms: mine, and the public ones."""

    permission_classes = [IsAuthenticated]
    serializer_class = RoomSerializer
    filterset_class = RoomFilter
    # By its model the API's document knows the filters.
    queryset = RoomSelector.listing(user_id=UUID(int=0))
    problem_codes: ClassVar[dict[str, tuple[str, ...]]] = {
        "create": ("conflict",),
        "retrieve": ("forbidden",),
        "partial_update": ("forbidden",),
        "destroy": ("forbidden",),
        "join": ("forbidden", "conflict"),
        "leave": ("forbidden", "conflict"),
        "read": ("forbidden",),
        "announce": ("forbidden", "muted", "room_closed"),
    }

    def list(self, request: Request) -> Response:
        """List my rooms and the public ones, newest first."""
        rooms = RoomSelector.listing(user_id=actor(request).id)
        page: Any = self.paginate_queryset(self.filter_queryset(rooms))
        return self.get_paginated_response(RoomSerializer(page, many=True).data)

    @extend_schema(request=RoomCreateSerializer, responses={201: RoomSerializer}, parameters=[LOCATION])
    @idempotent
    def create(self, request: Request) -> Response:
        """Open a room, which I own."""
        data = validated(RoomCreateSerializer(data=request.data))
        room = RoomService.create(actor=actor(request), **data)
        headers = {"Location": reverse("chat-room", kwargs={"slug": room.slug})}
        return Response(RoomSerializer(room).data, status=201, headers=headers)

    @extend_schema(responses=RoomSerializer)
    def retrieve(self, request: Request, slug: str) -> Response:
        """Show a room. A private one is there for its members alone."""
        return Response(RoomSerializer(RoomSelector.by_slug(actor=actor(request), slug=slug)).data)

    @extend_schema(request=RoomUpdateSerializer, responses=RoomSerializer)
    def partial_update(self, request: Request, slug: str) -> Response:
        """Change, close or open again a room that I own."""
        shown = RoomSelector.changeable(actor=actor(request), slug=slug)
        changes = validated(RoomUpdateSerializer(shown, data=request.data, partial=True))
        return Response(RoomSerializer(RoomService.update(actor=actor(request), slug=slug, changes=changes)).data)

    @extend_schema(responses={204: NO_CONTENT})
    def destroy(self, request: Request, slug: str) -> Response:
        """Delete a room that I own, with all that was said in it. Its slug stays taken."""
        RoomService.delete(actor=actor(request), slug=slug)
        return Response(status=204)

    @extend_schema(request=None, responses=RoomSerializer)
    def join(self, request: Request, slug: str) -> Response:
        """Become a member of a public room. Once more is no error."""
        return Response(RoomSerializer(MemberService.join(actor=actor(request), slug=slug)).data)

    @extend_schema(request=None, responses={204: NO_CONTENT})
    def leave(self, request: Request, slug: str) -> Response:
        """Leave a room; its only owner makes somebody else one before. Once more is no error."""
        MemberService.leave(actor=actor(request), slug=slug)
        return Response(status=204)

    @extend_schema(request=ReadSerializer, responses={204: NO_CONTENT})
    def read(self, request: Request, slug: str) -> Response:
        """Note how far I have read. It goes forward only."""
        access = RoomSelector.access(actor=actor(request), slug=slug, least=RoomRole.MEMBER)
        data = validated(ReadSerializer(data=request.data))
        MemberService.mark_read(actor=actor(request), room_id=access.room_id, **data)
        return Response(status=204)

    @extend_schema(request=AnnouncementSerializer, responses={202: ACCEPTED})
    @idempotent
    def announce(self, request: Request, slug: str) -> Response:
        """Let a room that I moderate say something itself."""
        RoomSelector.access(actor=actor(request), slug=slug, least=RoomRole.MODERATOR)
        data = validated(AnnouncementSerializer(data=request.data))
        RoomService.announce(actor=actor(request), slug=slug, text=data["message"])
        return Response({}, status=202)
