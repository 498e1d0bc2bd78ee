"""What may be said in a room, and by whom."""

import re
from datetime import datetime
from typing import Final

from django.utils import timezone

from apps.chat.exceptions import MutedError, RoomClosedError, UnfitError
from apps.chat.models import CLIENT_ID_LENGTH, TEXT_LENGTH

# What PostgreSQL cannot store.
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


def require_voice(*, closed_at: datetime | None, muted_until: datetime | None) -> None:
    """Let pass unless a room is closed, or whoever wants to say something in it is muted.

    Raises:
        RoomClosedError, MutedError: If so.
    """
    if closed_at is not None:
        raise RoomClosedError
    if muted_until is not None and muted_until > timezone.now():
        raise MutedError


def require_fit(text: str, client_id: str = "") -> None:
    """Hold a text and its client id to what can be stored: doors do so too, yet one bad text must not fail a batch.

    Raises:
        UnfitError: If one of them is too long or holds what PostgreSQL cannot store, or the text is blank.
    """
    if not text.strip():
        raise UnfitError("message", "blank", "This field may not be blank.")
    _require_storable("message", text, TEXT_LENGTH)
    _require_storable("client_id", client_id, CLIENT_ID_LENGTH)


def _require_storable(field: str, value: str, length: int) -> None:
    if len(value) > length:
        raise UnfitError(field, "max_length", f"Ensure this field has no more than {length} characters.")
    if _UNSTORABLE.search(value):
        raise UnfitError(field, "invalid", "This holds NUL or half of a surrogate pair.")
