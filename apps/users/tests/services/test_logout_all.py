from uuid import uuid4

import pytest

from apps.common.exceptions import NotFoundError
from apps.users.exceptions import SessionRevokedError
from apps.users.services import SessionService
from apps.users.tests.factories import UserFactory
from apps.users.tests.support import signed_in

pytestmark = pytest.mark.django_db


def test_every_session_of_the_user_ends_and_nobody_elses() -> None:
    user, other = UserFactory.create(), UserFactory.create()
    mine = [signed_in(user) for _ in range(3)]
    others = signed_in(other)

    SessionService.logout_all(user_id=user.pk)

    for pair in mine:
        with pytest.raises(SessionRevokedError):
            SessionService.resume(access=pair.access)
        with pytest.raises(SessionRevokedError):
            SessionService.refresh(token=pair.refresh)
    assert SessionService.resume(access=others.access).id == other.pk
    user.refresh_from_db()
    assert user.token_version == 2


def test_a_login_afterwards_works() -> None:
    user = UserFactory.create()
    SessionService.logout_all(user_id=user.pk)

    credentials = signed_in(user)

    assert SessionService.resume(access=credentials.access).token_version == 2


def test_an_unknown_account_is_not_found() -> None:
    with pytest.raises(NotFoundError):
        SessionService.logout_all(user_id=uuid4())
