from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from apps.chat.enums import ChangeKind
from apps.users.types import avatar_path

# So many messages a page may hold.
PAGE_LIMIT: Final = 200

# What clients are told, as JSON has it.
type Frame = dict[str, Any]


def group_of(room_id: UUID) -> str:
    """Return the name of the group of sockets that hear what happens in a room."""
    return f"room.{room_id.hex}"


def moment(value: datetime) -> str:
    """Return a time as answers and frames have it."""
    return value.isoformat().replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Person:
    """What others see of an account.

    Args:
        avatar: The key of its picture, empty without one.
    """

    id: UUID
    name: str = field(repr=False)
    avatar: str

    def shown(self) -> dict[str, str | None]:
        return {"id": str(self.id), "name": self.name, "avatar": avatar_path(self.id, self.avatar)}


@dataclass(frozen=True, slots=True)
class Said:
    """A message as it stands.

    Args:
        author: None where the room itself speaks.
        client_id: Empty if its author's client gave it none.
    """

    id: UUID
    seq: int
    author: Person | None
    client_id: str
    text: str = field(repr=False)
    sent_at: datetime
    edited_at: datetime | None
    deleted_at: datetime | None

    def shown(self) -> dict[str, Any]:
        """Return what a reader of the room is shown."""
        shown: dict[str, Any] = {
            "id": str(self.id),
            "seq": self.seq,
            "message": self.text,
            "from": str(self.author.id) if self.author else "system",
            "author": self.author.shown() if self.author else None,
            "sent_at": moment(self.sent_at),
        }
        if self.client_id:
            shown["client_id"] = self.client_id
        if self.edited_at:
            shown["edited_at"] = moment(self.edited_at)
        if self.deleted_at:
            shown["deleted"] = True
        return shown

    def frame(self) -> Frame:
        return {"type": "message", **self.shown()}


@dataclass(frozen=True, slots=True)
class Changed:
    """What happened in a room besides a new message.

    Args:
        user: Who edited or deleted the message, or whose place in the room changed.
        details: What else its frame holds.
        text: What the message says now, if it was edited.
    """

    kind: str
    seq: int
    user: Person | None
    details: Mapping[str, Any]
    at: datetime
    message_id: UUID | None = None
    text: str = field(default="", repr=False)

    def frame(self) -> Frame:
        frame: Frame = {"type": str(self.kind), "seq": self.seq, **self.details}
        if self.kind == ChangeKind.MEMBER and self.user:
            frame["user"] = self.user.shown()
        if self.message_id:
            frame |= {"id": str(self.message_id), "by": str(self.user.id) if self.user else "system"}
        if self.kind == ChangeKind.MESSAGE_EDITED:
            frame |= {"message": self.text, "edited_at": moment(self.at)}
        return frame


@dataclass(frozen=True, slots=True)
class Access:
    """What somebody may do in a room that he sees.

    Args:
        role: None for whoever is no member.
        is_overseen: Whether he sees it for his role over all rooms alone, which is written down.
    """

    room_id: UUID
    role: str | None
    is_overseen: bool


@dataclass(frozen=True, slots=True)
class Speaker:
    """What decides whether somebody may say something in a room.

    Args:
        is_standing: Whether he is in the room now.
    """

    person: Person
    is_standing: bool
    is_banned: bool
    muted_until: datetime | None


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody wants to say in a room.

    Args:
        client_id: What makes saying it again the same message; empty for none.
        request_id: Of the request or frame that brought it, for whoever looks for it in a log.
    """

    author_id: UUID
    text: str = field(repr=False)
    client_id: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that is stored.

    Args:
        repeated: Whether it was before: this time nothing was stored, and nobody was told.
    """

    id: UUID
    seq: int
    sent_at: datetime
    client_id: str
    frame: Frame = field(repr=False)
    repeated: bool = False

    @property
    def shown(self) -> dict[str, Any]:
        """The message as readers of the room are shown it."""
        return {name: value for name, value in self.frame.items() if name != "type"}


@dataclass(frozen=True, slots=True)
class Page:
    """Messages in the order of their numbers.

    Args:
        complete: Whether there are no more in the direction that was asked for.
    """

    messages: list[dict[str, Any]]
    complete: bool


@dataclass(frozen=True, slots=True)
class Seat:
    """What somebody finds who enters a room.

    Args:
        role: None for whoever is not in it.
        is_overseen: Whether he sees it for his role over all rooms alone, which is written down.
        author: What others see of him, as in a frame.
    """

    room_id: UUID
    slug: str
    name: str
    visibility: str
    role: str | None
    last_seq: int
    last_read_seq: int
    muted_until: datetime | None
    closed_at: datetime | None
    member_count: int
    is_overseen: bool
    author: dict[str, str | None] = field(repr=False)
