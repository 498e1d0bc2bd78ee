from django.db.models import TextChoices


class Visibility(TextChoices):
    PUBLIC = "public", "anyone may find and join it"
    PRIVATE = "private", "by invitation, and nobody else knows of it"


class RoomRole(TextChoices):
    """What somebody may do in one room; over all rooms that is `apps.common.enums.Role`."""

    MEMBER = "member"
    MODERATOR = "moderator"
    OWNER = "owner"

    @property
    def rank(self) -> int:
        """How high it stands: whoever moderates does so to those below."""
        return list(RoomRole).index(self)


class ChangeKind(TextChoices):
    """What can change in a room besides a new message; the type of the frame that tells of it."""

    MESSAGE_EDITED = "message.edited"
    MESSAGE_DELETED = "message.deleted"
    MEMBER = "member"
    ROOM = "room"


class MemberChange(TextChoices):
    JOINED = "joined"
    LEFT = "left"
    REMOVED = "removed"
    BANNED = "banned"
    UNBANNED = "unbanned"
    ROLE = "role"
    MUTED = "muted"
    UNMUTED = "unmuted"


class InvitationState(TextChoices):
    OPEN = "open"
    ACCEPTED = "accepted"
    DECLINED = "declined"
