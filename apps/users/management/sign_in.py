"""Signing in without a password, for tools of local use: whoever runs them has the database anyway."""

from collections.abc import Iterator
from contextlib import contextmanager

from apps.users.exceptions import WrongCredentialsError
from apps.users.selectors import UserSelector
from apps.users.services import SessionService


@contextmanager
def signed_in(email: str) -> Iterator[dict[str, str]]:
    """Give the headers of a session that ends with the block, for a request and for the handshake of a socket.

    Raises:
        LookupError: If there is no such account, or it is closed.
    """
    user = UserSelector.by_email(email=email)
    if user is None:
        raise LookupError(email)
    try:
        credentials = SessionService.open(user_id=user.pk, password_hash=user.password)
    except WrongCredentialsError as error:
        raise LookupError(email) from error
    try:
        yield {
            "Authorization": f"Bearer {credentials.access}",
            "Sec-WebSocket-Protocol": f"layerline.v1, bearer.{credentials.access}",
        }
    finally:
        SessionService.logout(token=credentials.refresh)
