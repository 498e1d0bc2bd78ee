from enum import IntEnum

from django.db.models import TextChoices


class Role(TextChoices):
    """What a person may do over the API. The one authority: flags of the admin site give no right here."""

    ADMIN = "admin"
    MODERATOR = "moderator"
    USER = "user"


class CloseCode(IntEnum):
    """Why a socket was closed: RFC 6455, section 7.4, and from 4400 on 4000 and what would be the status over HTTP."""

    LEAVING = 1001
    TOO_LARGE = 1009
    INTERNAL_ERROR = 1011
    RESTARTING = 1012
    TRY_AGAIN_LATER = 1013
    BAD_FRAMES = 4400
    NOT_SIGNED_IN = 4401
    FORBIDDEN = 4403
    NOT_FOUND = 4404
    SILENT = 4408
    TOO_FAST = 4429
    TOO_MANY_SOCKETS = 4430
    TOO_SLOW = 4431
