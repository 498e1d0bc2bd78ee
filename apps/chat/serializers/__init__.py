"""The shapes of rooms on the wire, one module for each subject."""

from apps.chat.serializers.invitations import InvitationSerializer, InviteSerializer
from apps.chat.serializers.members import MemberSerializer, MemberUpdateSerializer, MuteSerializer
from apps.chat.serializers.messages import (
    AnnouncementSerializer,
    HistorySerializer,
    MessageCreateSerializer,
    MessagePageSerializer,
    MessageSerializer,
    MessageUpdateSerializer,
)
from apps.chat.serializers.rooms import ReadSerializer, RoomCreateSerializer, RoomSerializer, RoomUpdateSerializer

__all__ = [
    "AnnouncementSerializer",
    "HistorySerializer",
    "InvitationSerializer",
    "InviteSerializer",
    "MemberSerializer",
    "MemberUpdateSerializer",
    "MessageCreateSerializer",
    "MessagePageSerializer",
    "MessageSerializer",
    "MessageUpdateSerializer",
    "MuteSerializer",
    "ReadSerializer",
    "RoomCreateSerializer",
    "RoomSerializer",
    "RoomUpdateSerializer",
]
