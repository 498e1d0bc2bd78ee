from apps.common.exceptions import ConflictError, FieldError, ForbiddenError, InvalidInputError


class SlugTakenError(ConflictError):
    """A room has the slug or had it: none is given twice."""

    detail = "A room with this slug exists, or existed."


class SoleOwnerError(ConflictError):
    detail = "This is the only owner. Make another member an owner first."


class ClosedAccountError(ConflictError):
    detail = "This account is closed: it can own no room."


class InvitationAnsweredError(ConflictError):
    detail = "This invitation was answered otherwise."


class RoomClosedError(ConflictError):
    code = "room_closed"
    detail = "This room is closed: it can be read, and nothing can be said in it."


class MutedError(ConflictError):
    code = "muted"
    detail = "You are muted in this room."


class EditWindowOverError(ConflictError):
    code = "edit_window_over"
    detail = "A message can be edited for 15 minutes."


class BannedError(ForbiddenError):
    detail = "You are banned from this room."


class NotMemberError(ForbiddenError):
    detail = "Join this room first."


class UnfitError(InvalidInputError):
    """A field of what is to be said does not fit."""

    def __init__(self, field: str, code: str, detail: str) -> None:
        super().__init__([FieldError(field, code, detail)])
