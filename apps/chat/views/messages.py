from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from apps.chat.enums import RoomRole
from apps.chat.selectors import MessageSelector, RoomSelector
from apps.chat.serializers import (
    HistorySerializer,
    MessageCreateSerializer,
    MessagePageSerializer,
    MessageSerializer,
    MessageUpdateSerializer,
)
from apps.chat.services import MessageService, ReadingService
from apps.chat.throttling import MessageThrottle
from apps.common.requests import actor
from apps.common.schema import NO_CONTENT
from apps.common.serializers import validated
from apps.common.throttling import SustainedUserThrottle
from apps.common.views import BaseViewSet


class MessageViewSet(BaseViewSet):
    """What is said in a room."""

    permission_classes = [IsAuthenticated]
    serializer_class = MessageSerializer
    filter_backends = []
    pagination_class = None
    # Messages have a limit of their own, which is wider than that of other requests.
    throttles_by_action: ClassVar[dict[str, list[type]]] = {"create": [MessageThrottle, SustainedUserThrottle]}
    problem_codes: ClassVar[dict[str, tuple[str, ...]]] = {
        "history": ("forbidden", "validation_error"),
        "create": ("forbidden", "muted", "room_closed"),
        "partial_update": ("forbidden", "muted", "room_closed", "edit_window_over"),
        "destroy": ("forbidden",),
    }

    def get_throttles(self) -> list[Any]:
        return [throttle() for throttle in self.throttles_by_action.get(self.action, self.throttle_classes)]

    @extend_schema(parameters=[HistorySerializer], responses=MessagePageSerializer)
    def history(self, request: Request, slug: str) -> Response:
        """Show messages of a room: the newest, or those next to a number. A page is 64 KiB at most."""
        access = RoomSelector.access(actor=actor(request), slug=slug)
        wanted = validated(HistorySerializer(data=request.query_params.dict()))
        page = ReadingService.messages(actor=actor(request), access=access, **wanted)
        return Response({"messages": page.messages, "complete": page.complete})

    @extend_schema(request=MessageCreateSerializer, responses={200: MessageSerializer, 201: MessageSerializer})
    def create(self, request: Request, slug: str) -> Response:
        """Say something in a room that I am in; 200 if it was said before, under the same `client_id`."""
        RoomSelector.access(actor=actor(request), slug=slug, least=RoomRole.MEMBER)
        data = validated(MessageCreateSerializer(data=request.data))
        sent = MessageService.send(
            actor=actor(request), slug=slug, text=data["message"], client_id=data.get("client_id", "")
        )
        return Response(sent.shown, status=200 if sent.repeated else 201)

    @extend_schema(request=MessageUpdateSerializer, responses=MessageSerializer)
    def partial_update(self, request: Request, slug: str, message_id: UUID) -> Response:
        """Change what a message of mine says, for 15 minutes."""
        access = RoomSelector.access(actor=actor(request), slug=slug, least=RoomRole.MEMBER)
        shown = MessageSelector.one(room_id=access.room_id, message_id=message_id).shown()
        data = validated(MessageUpdateSerializer(shown, data=request.data, partial=True))
        text = data.get("message", shown["message"])
        message = MessageService.edit(actor=actor(request), slug=slug, message_id=message_id, text=text)
        return Response(message)

    @extend_schema(responses={204: NO_CONTENT})
    def destroy(self, request: Request, slug: str, message_id: UUID) -> Response:
        """Take away what a message says: mine, or anybody's in a room that I moderate. Once more is no error."""
        MessageService.delete(actor=actor(request), slug=slug, message_id=message_id)
        return Response(status=204)
