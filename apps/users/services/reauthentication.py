"""An owner who is signed in and proves it once more: an access token that was stolen is not enough."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import transaction

from apps.users.exceptions import WrongPasswordError
from apps.users.models import User
from apps.users.services.locks import lock_verified_user


@contextmanager
def proven_owner(user_id: UUID, password: str) -> Iterator[User]:
    """Give the account, locked in a transaction of the block's own, to whoever knows its password.

    Raises:
        WrongPasswordError: If the password is wrong, or no longer the one of an open account.
    """
    password_hash = _verified_hash(user_id, password)
    with transaction.atomic():
        user = lock_verified_user(user_id, password_hash)
        if user is None:
            raise WrongPasswordError
        yield user


def _verified_hash(user_id: UUID, password: str) -> str:
    # Outside of the transaction, which would be held for as long as a hash takes.
    user = User.objects.filter(pk=user_id).first()
    if user is None or not user.check_password(password):
        raise WrongPasswordError
    return user.password
