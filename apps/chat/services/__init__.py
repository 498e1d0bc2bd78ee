"""Everything that writes: one class for each subject, one module for each class."""

from apps.chat.services import departures
from apps.chat.services.invitations import InvitationService
from apps.chat.services.members import MemberService
from apps.chat.services.messages import MessageService
from apps.chat.services.reading import ReadingService
from apps.chat.services.rooms import RoomService

__all__ = [
    "InvitationService",
    "MemberService",
    "MessageService",
    "ReadingService",
    "RoomService",
    "departures",
]
