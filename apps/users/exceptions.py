from apps.common.exceptions import AuthenticationError, ConflictError, FieldError, InvalidInputError, ThrottledError


class WrongCredentialsError(AuthenticationError):
    """Unknown address, wrong password or closed account: which of them is not told."""

    detail = "The address or the password is wrong."


class WrongCodeError(AuthenticationError):
    """Neither a code that the app shows now, nor a recovery code that is unused."""

    detail = "The code is wrong."


class TooManyCodesError(ThrottledError):
    detail = "Too many wrong codes. Wait, or use a recovery code."


class TokenExpiredError(AuthenticationError):
    code = "token_expired"
    detail = "The token has expired."


class TokenInvalidError(AuthenticationError):
    code = "token_invalid"
    detail = "The token is not valid."


class TokenReusedError(AuthenticationError):
    code = "token_reused"
    detail = "This refresh token was used before. The session is over; sign in again."


class SessionRevokedError(AuthenticationError):
    code = "session_revoked"
    detail = "This session is over. Sign in again."


class WrongPasswordError(InvalidInputError):
    """The password that somebody who is signed in was asked for once more is wrong."""

    def __init__(self, field: str = "password") -> None:
        super().__init__([FieldError(field, "wrong", "This is not the password of the account.")])


class LinkInvalidError(InvalidInputError):
    """The token of a link is not ours, was used, or was made for a state that is no more."""

    def __init__(self) -> None:
        super().__init__([FieldError("token", "invalid", "This link is not valid, or was used before.")])


class LinkExpiredError(InvalidInputError):
    def __init__(self) -> None:
        super().__init__([FieldError("token", "expired", "The time of this link is over: ask for another.")])


class EmailTakenError(ConflictError):
    detail = "An account with this address exists."


class LastAdminError(ConflictError):
    detail = "This is the last active admin. Make another admin first."


class OwnAccountError(ConflictError):
    detail = "You cannot deactivate your own account here."


class ErasedAccountError(ConflictError):
    detail = "This account was erased; nothing brings it back."


class MfaOnError(ConflictError):
    detail = "The second factor is on. Turn it off first."


class MfaOffError(ConflictError):
    detail = "The second factor is off. Set it up first."


class OwnMfaError(ConflictError):
    detail = "You cannot turn off your own second factor here."
