"""The two statements by which messages are stored: written by hand, since every message waits for them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection

from apps.chat.models import Membership
from apps.chat.types import Person, Said, Speaker

# Whatever table the accounts stand in.
_USERS: Final = Membership._meta.get_field("user").related_model._meta.db_table  # noqa: SLF001  # Django's documented name
# In one round trip. Each statement sees what was committed before it began: so whatever was done in the room before it
# could be held counts, a ban as well as a closing.
_BEGIN: Final = f"""
UPDATE rooms SET last_seq = last_seq + %(count)s WHERE id = %(room_id)s AND deleted_at IS NULL
RETURNING last_seq, closed_at;
SELECT place.user_id, account.name, account.avatar, place.left_at, place.banned_at, place.muted_until
FROM memberships place JOIN {_USERS} account ON account.id = place.user_id
WHERE place.room_id = %(room_id)s AND place.user_id = ANY(%(author_ids)s);
SELECT id, seq, author_id, client_id, text, created_at, edited_at, deleted_at FROM messages
WHERE room_id = %(room_id)s AND author_id = ANY(%(author_ids)s) AND client_id = ANY(%(client_ids)s) AND client_id <> '';
"""  # noqa: S608  # the name of a table of ours
_STORE: Final = """
INSERT INTO messages (id, room_id, seq, author_id, client_id, text, created_at)
SELECT id, %(room_id)s, seq, author_id, client_id, text, %(sent_at)s
FROM unnest(%(ids)s::uuid[], %(seqs)s::bigint[], %(author_ids)s::uuid[], %(client_ids)s::text[], %(texts)s::text[])
AS said (id, seq, author_id, client_id, text)
"""


@dataclass(frozen=True, slots=True)
class Opening:
    """A room that is held until the transaction ends, and what decides about what waits to be said in it.

    Args:
        first_seq: The first of the numbers that were taken.
        speakers: Those of the authors who are or were in the room, by their ids.
        known: What was said before under one of the client ids, by author and client id.
    """

    first_seq: int
    closed_at: datetime | None
    speakers: dict[UUID, Speaker]
    known: dict[tuple[UUID, str], Said]


def open_batch(room_id: UUID, count: int, author_ids: Collection[UUID], client_ids: Collection[str]) -> Opening | None:
    """Hold a room and take the next numbers; None if there is no such room."""
    wanted: dict[str, Any] = {
        "room_id": room_id,
        "count": count,
        "author_ids": list(author_ids),
        "client_ids": list(client_ids),
    }
    with connection.cursor() as cursor:
        cursor.execute(_BEGIN, wanted)
        taken = cursor.fetchone()
        if taken is None:
            return None
        cursor.nextset()
        speakers = {row[0]: _speaker(row) for row in cursor.fetchall()}
        cursor.nextset()
        known = [_said(row, speakers) for row in cursor.fetchall() if row[2] in speakers]
    last_seq, closed_at = taken
    return Opening(
        first_seq=last_seq - count + 1,
        closed_at=closed_at,
        speakers=speakers,
        known={(said.author.id, said.client_id): said for said in known if said.author},
    )


def give_back(room_id: UUID, count: int) -> None:
    """Give back the last of the numbers that were taken, which no message needed."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE rooms SET last_seq = last_seq - %s WHERE id = %s", [count, room_id])


def store(room_id: UUID, said: Sequence[Said]) -> None:
    """Insert messages of a room that is held, which were sent at one time."""
    rows: dict[str, Any] = {
        "room_id": room_id,
        "sent_at": said[0].sent_at,
        "ids": [one.id for one in said],
        "seqs": [one.seq for one in said],
        "author_ids": [one.author.id if one.author else None for one in said],
        "client_ids": [one.client_id for one in said],
        "texts": [one.text for one in said],
    }
    with connection.cursor() as cursor:
        cursor.execute(_STORE, rows)


def _speaker(row: Sequence[Any]) -> Speaker:
    user_id, name, avatar, left_at, banned_at, muted_until = row
    is_standing = left_at is None and banned_at is None
    return Speaker(Person(user_id, name, avatar), is_standing, banned_at is not None, muted_until)


def _said(row: Sequence[Any], speakers: dict[UUID, Speaker]) -> Said:
    message_id, seq, author_id, *others = row
    return Said(message_id, seq, speakers[author_id].person, *others)
