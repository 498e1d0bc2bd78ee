"""The doors for HTTP: one module for each group of addresses."""

from apps.chat.views.invitations import InvitationViewSet
from apps.chat.views.members import BanViewSet, MemberViewSet
from apps.chat.views.messages import MessageViewSet
from apps.chat.views.rooms import RoomViewSet

__all__ = ["BanViewSet", "InvitationViewSet", "MemberViewSet", "MessageViewSet", "RoomViewSet"]
