from uuid import UUID

from celery import shared_task

from apps.chat.services import InvitationService, MessageService, RoomService
from infrastructure.queue.jobs import job


@job(name="chat.publish_announcement")
def publish_announcement(_job_id: UUID, announcement_id: str) -> None:
    """Let a room say what a moderator has asked it to."""
    MessageService.publish(announcement_id=UUID(announcement_id))


@shared_task(name="chat.clean_deleted_rooms")
def clean_deleted_rooms() -> None:
    """Delete what was in deleted rooms, and invitations that are over. Beat sends it every ten minutes."""
    RoomService.purge_deleted()
    InvitationService.purge()
