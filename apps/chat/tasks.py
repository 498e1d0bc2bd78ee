from uuid import UUID

from apps.chat.services import InvitationService, MessageService, RoomService
from infrastructure.queue.jobs import job


@job(name="chat.publish_announcement")
def publish_announcement(_job_id: UUID, announcement_id: str) -> None:
    """Let a room say what a moderator has asked it to."""
    MessageService.publish(announcement_id=UUID(announcement_id))


@job(name="chat.clean_deleted_room")
def clean_deleted_room(_job_id: UUID, room_id: str) -> None:
    """Delete what was in a deleted room, a batch at a time."""
    RoomService.purge(room_id=UUID(room_id))


@job(name="chat.clean_invitations")
def clean_invitations(_job_id: UUID) -> None:
    """Delete invitations that are over, a batch at a time. Beat asks for it every hour."""
    InvitationService.purge()
