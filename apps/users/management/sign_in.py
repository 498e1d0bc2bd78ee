"""Signing in without a password, for tools of local use: whoever runs them has the database anyway."""

from collections.abc import Iterator
from contextlib import contextmanager

from apps.users.selectors import UserSelector
from apps.users.services import SessionService


@contextmanager
def signed_in(email: str) -> Iterator[dict[str, str]]:
    """Give the headers of a session that ends with the block.

    Raises:
        LookupError: If there is no such account.
        WrongCredentialsError: If it is closed.
    """
    user = UserSelector.by_email(email=email)
    if user is None:
        raise LookupError(email)
    credentials = SessionService.open(user_id=user.pk, password_hash=user.password)
    try:
        yield {"Authorization": f"Bearer {credentials.access}"}
    finally:
        SessionService.logout(token=credentials.refresh)
