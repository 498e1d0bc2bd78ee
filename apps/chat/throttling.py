from collections.abc import Iterable
from uuid import UUID

from rest_framework.request import Request

from apps.common.throttling import ScopedThrottle
from infrastructure.ratelimit import Limit, configured


def message_limit(user_id: UUID) -> Limit:
    """Return what each message of a user counts against, in whichever room and over whichever way it is sent."""
    return configured("messages", str(user_id))


class MessageThrottle(ScopedThrottle):
    """How many messages a user may send."""

    def limits(self, request: Request, user_id: UUID | None) -> Iterable[Limit]:
        if user_id:
            yield message_limit(user_id)
