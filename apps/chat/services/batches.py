"""The statements by which messages are stored: written by hand, since every message waits for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection

from apps.chat.models import Membership
from apps.chat.types import Draft, Person, Said, Speaker

# Whatever table the accounts stand in.
_USERS: Final = Membership._meta.get_field("user").related_model._meta.db_table  # noqa: SLF001  # Django's documented name
# In one round trip. Each statement sees what was committed before it began: so whatever was done in the room before it
# could be held counts, a ban as well as a closing.
_TAKE: Final = """
UPDATE rooms SET last_seq = last_seq + %(count)s WHERE id = %(room_id)s AND deleted_at IS NULL
RETURNING id, last_seq, closed_at;
"""
# Whoever holds some rooms waits for no other one, so nobody waits in a circle, and no room for what is slow in another.
_TAKE_FREE: Final = """
WITH wanted (id, count) AS (SELECT * FROM unnest(%(room_ids)s::uuid[], %(counts)s::int[])),
free AS (SELECT id FROM rooms JOIN wanted USING (id) WHERE deleted_at IS NULL FOR NO KEY UPDATE OF rooms SKIP LOCKED)
UPDATE rooms SET last_seq = last_seq + wanted.count FROM wanted JOIN free USING (id) WHERE rooms.id = wanted.id
RETURNING rooms.id, last_seq, closed_at;
"""
# In one round trip with the one before. Each statement sees what was committed before it began: so whatever was done in
# a room before it could be held counts, a ban as well as a closing.
_LOOK: Final = f"""
SELECT place.room_id, place.user_id, account.name, account.avatar, place.left_at, place.banned_at, place.muted_until
FROM (SELECT DISTINCT * FROM unnest(%(rooms)s::uuid[], %(authors)s::uuid[])) AS asked (room_id, user_id)
JOIN memberships place USING (room_id, user_id) JOIN {_USERS} account ON account.id = place.user_id;
SELECT said.room_id, id, seq, author_id, said.client_id, text, created_at, edited_at, deleted_at
FROM (SELECT DISTINCT * FROM unnest(%(rooms)s::uuid[], %(authors)s::uuid[], %(client_ids)s::text[]))
AS asked (room_id, author_id, client_id) JOIN messages said USING (room_id, author_id, client_id)
WHERE said.client_id <> '';
"""  # noqa: S608  # the name of a table of ours
_STORE: Final = """
INSERT INTO messages (id, room_id, seq, author_id, client_id, text, created_at)
SELECT id, room_id, seq, author_id, client_id, text, %(sent_at)s
FROM unnest(
    %(ids)s::uuid[], %(rooms)s::uuid[], %(seqs)s::bigint[], %(authors)s::uuid[], %(client_ids)s::text[],
    %(texts)s::text[]
) AS said (id, room_id, seq, author_id, client_id, text)
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
    speakers: dict[UUID, Speaker] = field(default_factory=dict)
    known: dict[tuple[UUID, str], Said] = field(default_factory=dict)


def open_batches(waiting: Mapping[UUID, Sequence[Draft]]) -> dict[UUID, Opening]:
    """Hold rooms and take the next numbers of each, as many as drafts wait there.

    One room is waited for; of several those are left out that somebody else holds at this moment, and in any case
    those that are not there.
    """
    drafts = [(room_id, draft) for room_id, some in waiting.items() for draft in some]
    wanted: dict[str, Any] = {
        "rooms": [room_id for room_id, _ in drafts],
        "authors": [draft.author_id for _, draft in drafts],
        "client_ids": [draft.client_id for _, draft in drafts],
    }
    if len(waiting) == 1:
        wanted |= {"room_id": drafts[0][0], "count": len(drafts)}
    else:
        wanted |= {"room_ids": list(waiting), "counts": [len(some) for some in waiting.values()]}
    with connection.cursor() as cursor:
        cursor.execute((_TAKE if len(waiting) == 1 else _TAKE_FREE) + _LOOK, wanted)
        openings = {
            room_id: Opening(last_seq - len(waiting[room_id]) + 1, closed_at)
            for room_id, last_seq, closed_at in cursor.fetchall()
        }
        cursor.nextset()
        for room_id, *row in cursor.fetchall():
            if room_id in openings:
                openings[room_id].speakers[row[0]] = _speaker(row)
        cursor.nextset()
        for room_id, *row in cursor.fetchall():
            if room_id in openings and row[2] in openings[room_id].speakers:
                openings[room_id].known[row[2], row[3]] = _said(row, openings[room_id].speakers)
    return openings


def give_back(room_id: UUID, count: int) -> None:
    """Give back the last of the numbers that were taken, which no message needed."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE rooms SET last_seq = last_seq - %s WHERE id = %s", [count, room_id])


def store(said: Sequence[tuple[UUID, Said]]) -> None:
    """Insert messages of rooms that are held, each with the id of its room, which were sent at one time."""
    rows: dict[str, Any] = {
        "sent_at": said[0][1].sent_at,
        "ids": [one.id for _, one in said],
        "rooms": [room_id for room_id, _ in said],
        "seqs": [one.seq for _, one in said],
        "authors": [one.author.id if one.author else None for _, one in said],
        "client_ids": [one.client_id for _, one in said],
        "texts": [one.text for _, one in said],
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
