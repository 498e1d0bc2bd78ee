"""What goes over the socket of a room."""

from typing import Any, Final

from rest_framework import serializers

from apps.chat.enums import MemberChange, RoomRole, Visibility
from apps.chat.models import TEXT_LENGTH
from apps.chat.serializers import MessageCreateSerializer, MessageSerializer, ReadSerializer
from apps.chat.serializers.members import PersonSerializer
from apps.chat.serializers.messages import TextField
from apps.chat.serializers.rooms import MAX_SEQ
from apps.chat.types import PAGE_LIMIT
from apps.common.frames import AUTH_OK, FRAME_BYTES, AuthFrameSerializer, ClientFrame, ServerFrame
from apps.common.serializers import (
    EnumField,
    StrictBooleanField,
    StrictIntegerField,
    StrictSerializer,
)

# What a client has to know of limits, besides how long it may be silent.
LIMITS: Final = {"frame_bytes": FRAME_BYTES, "message_length": TEXT_LENGTH, "history": PAGE_LIMIT}
_ADA: Final = "0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a10"
_BOB: Final = "0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a11"
_MESSAGE: Final = "0199f0c2-71aa-7c0e-8f55-0d6f1a2b3c4d"
_NOW: Final = "2026-01-31T12:00:00Z"
_PERSON: Final = {"id": _ADA, "name": "Ada Lovelace", "avatar": None}
_SAID: Final = {
    "id": _MESSAGE,
    "seq": 42,
    "message": "Lamps are lit.",
    "from": _ADA,
    "author": _PERSON,
    "client_id": "c-1",
    "sent_at": _NOW,
}


class SocketRoomSerializer(serializers.Serializer[Any]):
    slug = serializers.CharField()
    name = serializers.CharField()
    visibility = EnumField(Visibility)
    closed_at = serializers.DateTimeField(allow_null=True)
    my_role = EnumField(RoomRole, allow_null=True, help_text="Null for whoever only oversees the room.")
    muted_until = serializers.DateTimeField(allow_null=True)
    last_read_seq = serializers.IntegerField()
    member_count = serializers.IntegerField()


class SocketLimitsSerializer(serializers.Serializer[Any]):
    frame_bytes = serializers.IntegerField(help_text="Bytes of a frame.")
    message_length = serializers.IntegerField(help_text="Characters of a message.")
    history = serializers.IntegerField(help_text="Messages that one `history` asks for.")
    silence = serializers.IntegerField(help_text="Seconds after which whoever sends nothing is closed: send `ping`.")


class RoomWelcomeSerializer(serializers.Serializer[Any]):
    room = SocketRoomSerializer()
    you = serializers.UUIDField(help_text="Your user id.")
    author = PersonSerializer(help_text="What others see of you.")
    expires_at = serializers.DateTimeField(help_text="When the socket ends, unless `auth` renews it.")
    last_seq = serializers.IntegerField(help_text="The number of what happened last in the room.")
    members_online = serializers.IntegerField(help_text="Users with a socket in the room.")
    limits = SocketLimitsSerializer()


class EditFrameSerializer(StrictSerializer):
    id = serializers.UUIDField(source="message_id")
    message = TextField(source="text", help_text="What it says instead.")


class DeleteFrameSerializer(StrictSerializer):
    id = serializers.UUIDField(source="message_id")


class TypingFrameSerializer(StrictSerializer):
    state = StrictBooleanField(help_text="Whether you are typing.")


class HistoryFrameSerializer(StrictSerializer):
    """Without `before` and `after` the newest are meant."""

    default_error_messages = {"both": "Name `before` or `after`, and not both."}

    before = StrictIntegerField(
        min_value=0, max_value=MAX_SEQ, required=False, help_text="Those before it, nearest to it."
    )
    after = StrictIntegerField(
        min_value=0, max_value=MAX_SEQ, required=False, help_text="Those after it, nearest to it."
    )
    limit = StrictIntegerField(min_value=1, max_value=PAGE_LIMIT, default=50, help_text="How many at most.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if {"before", "after"} <= set(attrs):
            self.fail("both")
        return attrs


class SentSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    seq = serializers.IntegerField()
    sent_at = serializers.DateTimeField()
    client_id = serializers.CharField(required=False)


class KeySerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()


class HasReadSerializer(serializers.Serializer[Any]):
    user = serializers.UUIDField()
    seq = serializers.IntegerField()


class SeqSerializer(serializers.Serializer[Any]):
    seq = serializers.IntegerField()


class LastSeqSerializer(serializers.Serializer[Any]):
    last_seq = serializers.IntegerField()


class TypingSerializer(serializers.Serializer[Any]):
    user = serializers.UUIDField()
    state = serializers.BooleanField()


class PresenceSerializer(serializers.Serializer[Any]):
    user = serializers.UUIDField(required=False, help_text="Left out in large rooms.")
    online = serializers.BooleanField(required=False, help_text="Left out in large rooms.")
    members_online = serializers.IntegerField(help_text="Users with a socket in the room.")


class EditedSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    seq = serializers.IntegerField(help_text="The number of this change.")
    message = serializers.CharField(allow_blank=True, help_text="What it says now; empty if it was deleted since.")
    edited_at = serializers.DateTimeField()
    by = serializers.CharField(help_text="A user id, or `system`.")


class DeletedSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    seq = serializers.IntegerField(help_text="The number of this change.")
    by = serializers.CharField(help_text="A user id, or `system`.")


class MemberSerializer(serializers.Serializer[Any]):
    seq = serializers.IntegerField()
    user = PersonSerializer()
    change = EnumField(MemberChange)
    role = EnumField(RoomRole)
    muted_until = serializers.DateTimeField(allow_null=True)


class RoomChangedSerializer(serializers.Serializer[Any]):
    seq = serializers.IntegerField()
    name = serializers.CharField()
    visibility = EnumField(Visibility)
    closed_at = serializers.DateTimeField(allow_null=True)


class HistorySerializer(serializers.Serializer[Any]):
    messages = MessageSerializer(many=True)
    complete = serializers.BooleanField(help_text="Whether there are no more in this direction.")
    more = serializers.BooleanField(help_text="Whether another page follows in answer to the same frame.")


WELCOME: Final = ServerFrame(
    "welcome",
    RoomWelcomeSerializer,
    "You are in. Nothing is sent before it.",
    {
        "room": {
            "slug": "lamps",
            "name": "Lamps",
            "visibility": "public",
            "closed_at": None,
            "my_role": "member",
            "muted_until": None,
            "last_read_seq": 40,
            "member_count": 7,
        },
        "you": _ADA,
        "author": _PERSON,
        "expires_at": "2026-01-31T12:15:00+00:00",
        "last_seq": 41,
        "members_online": 3,
        "limits": {**LIMITS, "silence": 60},
    },
)
AUTH: Final = ClientFrame(
    "auth",
    AuthFrameSerializer,
    "Sign in; later, stay signed in with a newer token of the same session.",
    {"token": "eyJhbGciOiJIUzI1NiIs…"},
    answers=(WELCOME, AUTH_OK),
)
PONG: Final = ServerFrame("pong", LastSeqSerializer, "The answer to a `ping`.", {"last_seq": 42})
PING: Final = ClientFrame("ping", StrictSerializer, "Tell that somebody is there.", answers=(PONG,))
SENT: Final = ServerFrame(
    "ack",
    SentSerializer,
    "Your message is stored, and not lost any more.",
    {"ref": "7", "id": _MESSAGE, "seq": 42, "sent_at": _NOW, "client_id": "c-1"},
    name="message.ack",
)
MESSAGE: Final = ClientFrame(
    "message",
    MessageCreateSerializer,
    "Say something.",
    {"ref": "7", "message": "Lamps are lit.", "client_id": "c-1"},
    answers=(SENT,),
)
DONE: Final = ServerFrame("ack", KeySerializer, "It is done.", {"id": _MESSAGE}, name="change.ack")
EDIT: Final = ClientFrame(
    "edit",
    EditFrameSerializer,
    "Change what a message of yours says, within 15 minutes.",
    {"id": _MESSAGE, "message": "Lamps are out."},
    answers=(DONE,),
)
DELETE: Final = ClientFrame(
    "delete", DeleteFrameSerializer, "Take away what a message says.", {"id": _MESSAGE}, answers=(DONE,)
)
NOTED: Final = ServerFrame("ack", SeqSerializer, "It is noted.", {"seq": 42}, name="read.ack")
READ: Final = ClientFrame("read", ReadSerializer, "Tell how far you have read.", {"seq": 42}, answers=(NOTED,))
TOLD: Final = ServerFrame("ack", serializers.Serializer[Any], "It is told.", name="typing.ack")
TYPING: Final = ClientFrame(
    "typing", TypingFrameSerializer, "Tell whether you are typing.", {"state": True}, answers=(TOLD,)
)
PAGE: Final = ServerFrame(
    "history",
    HistorySerializer,
    "Messages in the order of their numbers, 64 KiB at most.",
    {"messages": [_SAID], "complete": True, "more": False},
)
HISTORY: Final = ClientFrame(
    "history", HistoryFrameSerializer, "Ask for older messages, or newer ones.", {"before": 42}, answers=(PAGE,)
)

SAID: Final = ServerFrame("message", MessageSerializer, "Somebody says something.", _SAID)
EDITED: Final = ServerFrame(
    "message.edited",
    EditedSerializer,
    "A message says something else.",
    {"id": _MESSAGE, "seq": 43, "message": "Lamps are out.", "edited_at": _NOW, "by": _ADA},
)
DELETED: Final = ServerFrame(
    "message.deleted",
    DeletedSerializer,
    "A message says nothing any more.",
    {"id": _MESSAGE, "seq": 44, "by": _ADA},
)
MEMBER: Final = ServerFrame(
    "member",
    MemberSerializer,
    "Somebody's place in the room has changed.",
    {"seq": 45, "user": _PERSON, "change": "joined", "role": "member", "muted_until": None},
)
ROOM: Final = ServerFrame(
    "room",
    RoomChangedSerializer,
    "The room is another.",
    {"seq": 46, "name": "Lamps", "visibility": "private", "closed_at": None},
)
HAS_READ: Final = ServerFrame(
    "read",
    HasReadSerializer,
    "How far somebody has read: you elsewhere, or anybody in small rooms.",
    {"user": _BOB, "seq": 42},
)
IS_TYPING: Final = ServerFrame(
    "typing", TypingSerializer, "Somebody is typing; forget it after some seconds.", {"user": _BOB, "state": True}
)
PRESENCE: Final = ServerFrame(
    "presence", PresenceSerializer, "Who is there.", {"user": _BOB, "online": True, "members_online": 4}
)
HEARTBEAT: Final = ServerFrame(
    "heartbeat", LastSeqSerializer, "Every 20 seconds: you have missed nothing up to here.", {"last_seq": 46}
)
RESYNC: Final = ServerFrame(
    "resync",
    LastSeqSerializer,
    "More was missed than is sent by itself: forget what you had, and ask for `history`.",
    {"last_seq": 9046},
)
TOLD_TO_ALL: Final = (
    SAID,
    EDITED,
    DELETED,
    MEMBER,
    ROOM,
    HAS_READ,
    IS_TYPING,
    PRESENCE,
    HEARTBEAT,
    RESYNC,
)
