from apps.common.exceptions import AuthenticationError, ConflictError


class WrongCredentialsError(AuthenticationError):
    """Unknown address, wrong password or closed account: which of them is not told."""

    detail = "The address or the password is wrong."


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


class EmailTakenError(ConflictError):
    detail = "An account with this address exists."


class LastAdminError(ConflictError):
    detail = "This is the last active admin. Make another admin first."


class OwnAccountError(ConflictError):
    detail = "You cannot deactivate your own account here."
