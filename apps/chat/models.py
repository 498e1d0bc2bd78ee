from typing import Any, ClassVar, Final

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.chat.enums import ChangeKind, InvitationState, RoomRole, Visibility
from apps.chat.managers import SEARCH_VECTOR, MembershipManager, RoomManager
from apps.chat.types import Person
from apps.common.fields import one_line
from apps.common.models import BaseModel, UUIDModel

SLUG_PATTERN: Final = r"^[a-z0-9_-]{1,64}$"
SLUG_LENGTH: Final = 64
NAME_LENGTH: Final = 100
TEXT_LENGTH: Final = 4_000
CLIENT_ID_LENGTH: Final = 64

# References to accounts, which PostgreSQL does not watch over: each message would wait for whoever changes its author's
# account, and an account that is being closed would wait for the message, a deadlock. Nothing is left dangling, since
# accounts are erased and never deleted; whoever deletes one by Django all the same is refused.
_ACCOUNT: Final[dict[str, Any]] = {
    "related_name": "+",
    "db_constraint": False,
    "db_index": False,
}
_STANDING: Final = Q(left_at=None, banned_at=None)


class Room(BaseModel):
    """Where people talk. A deleted one keeps its row, so that its slug never leads elsewhere."""

    slug = models.CharField(max_length=SLUG_LENGTH)
    name = models.CharField(max_length=NAME_LENGTH, validators=[one_line])
    visibility = models.CharField(max_length=16, choices=Visibility, default=Visibility.PUBLIC)
    # The number of what happened last; the lock of this row orders what happens.
    last_seq = models.PositiveBigIntegerField(default=0, editable=False)
    closed_at = models.DateTimeField(null=True, blank=True, editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[RoomManager] = RoomManager()

    class Meta:
        db_table = "rooms"
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["slug"], name="rooms_slug_unique"),
            models.CheckConstraint(name="rooms_slug_shape", condition=Q(slug__regex=SLUG_PATTERN)),
            models.CheckConstraint(name="rooms_visibility_known", condition=Q(visibility__in=Visibility.values)),
            models.CheckConstraint(name="rooms_deleted_is_empty", condition=Q(deleted_at=None) | Q(name="")),
        ]
        # One for each order and each narrow filter of the list, so that it costs the same however many there are.
        indexes = [
            models.Index(fields=["created_at", "id"], name="rooms_created"),
            models.Index(fields=["name", "id"], name="rooms_name"),
            models.Index(
                fields=["created_at", "id"],
                name="rooms_public",
                condition=Q(visibility=Visibility.PUBLIC, deleted_at=None),
            ),
            models.Index(
                fields=["created_at", "id"],
                name="rooms_closed",
                condition=Q(closed_at__isnull=False, deleted_at=None),
            ),
            GinIndex(SEARCH_VECTOR, name="rooms_search"),
            # What most people search: beside a private room's row it would not be found by them.
            GinIndex(
                SEARCH_VECTOR,
                name="rooms_search_public",
                condition=Q(visibility=Visibility.PUBLIC, deleted_at=None),
            ),
        ]

    def __str__(self) -> str:
        return self.slug


class Membership(BaseModel):
    """Somebody's place in a room. The row outlives it: nobody shakes off a mute or a ban by leaving."""

    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="memberships", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, **_ACCOUNT)
    role = models.CharField(max_length=16, choices=RoomRole, default=RoomRole.MEMBER)
    last_read_seq = models.PositiveBigIntegerField(default=0)
    joined_at = models.DateTimeField(default=timezone.now)
    muted_until = models.DateTimeField(null=True, blank=True)
    banned_at = models.DateTimeField(null=True, blank=True)
    left_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[MembershipManager] = MembershipManager()

    class Meta:
        db_table = "memberships"
        constraints = [
            models.UniqueConstraint(fields=["room", "user"], name="memberships_unique"),
            models.CheckConstraint(name="memberships_role_known", condition=Q(role__in=RoomRole.values)),
            models.CheckConstraint(name="memberships_gone_is_member", condition=_STANDING | Q(role=RoomRole.MEMBER)),
        ]
        indexes = [
            models.Index(fields=["user", "room"], name="memberships_of_user"),
            models.Index(fields=["room", "joined_at", "id"], name="memberships_of_room", condition=_STANDING),
            # Owners and moderators are few among many, who are found without it.
            models.Index(
                fields=["room", "role", "joined_at", "id"],
                name="memberships_by_role",
                condition=_STANDING & Q(role__in=[RoomRole.OWNER, RoomRole.MODERATOR]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.room_id}"

    @property
    def is_standing(self) -> bool:
        """Whether the user is in the room now."""
        return self.left_at is None and self.banned_at is None

    @property
    def person(self) -> Person:
        """What others see of the user, which `named` brings."""
        return Person(self.user_id, self.user.name, self.user.avatar)

    @property
    def rank(self) -> int:
        return RoomRole(self.role).rank


class Invitation(BaseModel):
    """The way into a room that is open to one account.

    Without an invitee it leads nowhere: inviting an unknown address, or a member, must be the same work.
    """

    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="+", db_index=False)
    inviter = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, **_ACCOUNT)
    invitee = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, **_ACCOUNT)
    state = models.CharField(max_length=16, choices=InvitationState, default=InvitationState.OPEN)

    class Meta:
        db_table = "invitations"
        constraints = [
            models.UniqueConstraint(fields=["room", "invitee"], name="invitations_unique"),
            models.CheckConstraint(name="invitations_state_known", condition=Q(state__in=InvitationState.values)),
        ]
        indexes = [
            models.Index(fields=["invitee", "created_at", "id"], name="invitations_of_invitee"),
            models.Index(fields=["updated_at"], name="invitations_updated"),
        ]

    def __str__(self) -> str:
        return f"of {self.invitee_id} to {self.room_id}"

    @property
    def host(self) -> Person:
        """What others see of the inviter."""
        return Person(self.inviter_id, self.inviter.name, self.inviter.avatar)


class Message(UUIDModel):
    """What somebody said in a room. Without an author the room itself speaks; a deleted one says nothing."""

    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="+", db_index=False)
    seq = models.PositiveBigIntegerField()
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, **_ACCOUNT)
    # What a client calls it, so that sending it again is no second message.
    client_id = models.CharField(max_length=CLIENT_ID_LENGTH, blank=True, default="")
    text = models.CharField(max_length=TEXT_LENGTH, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    edited_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "messages"
        constraints = [
            models.UniqueConstraint(fields=["room", "seq"], name="messages_seq_unique"),
            models.UniqueConstraint(
                fields=["room", "author", "client_id"], name="messages_client_id_unique", condition=~Q(client_id="")
            ),
            models.CheckConstraint(name="messages_deleted_is_empty", condition=Q(deleted_at=None) | Q(text="")),
        ]

    def __str__(self) -> str:
        return f"{self.seq} in {self.room_id}"


class Change(UUIDModel):
    """What happened in a room besides a new message. Messages and changes together have each number once."""

    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="+", db_index=False)
    seq = models.PositiveBigIntegerField()
    kind = models.CharField(max_length=16, choices=ChangeKind)
    # The message that was edited or deleted; what it says stands there alone.
    message = models.ForeignKey(
        Message, on_delete=models.CASCADE, null=True, blank=True, related_name="+", db_index=False
    )
    # Who did that to a message, or whose place in the room changed.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, **_ACCOUNT)
    details = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "room_changes"
        constraints = [
            models.UniqueConstraint(fields=["room", "seq"], name="room_changes_seq_unique"),
            models.CheckConstraint(name="room_changes_kind_known", condition=Q(kind__in=ChangeKind.values)),
        ]
        # For what deletes a message: PostgreSQL looks whether a change refers to it.
        indexes = [
            models.Index(fields=["message"], name="room_changes_message", condition=Q(message__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.seq} in {self.room_id}"


class Announcement(BaseModel):
    """What a moderator lets a room say, until it has been said."""

    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="+")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, **_ACCOUNT)
    text = models.CharField(max_length=TEXT_LENGTH)

    class Meta:
        db_table = "announcements"

    def __str__(self) -> str:
        return f"to {self.room_id}"
