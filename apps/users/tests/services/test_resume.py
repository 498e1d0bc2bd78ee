from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from freezegun import freeze_time

from apps.common.enums import Role
from apps.users.exceptions import SessionRevokedError, TokenExpiredError, TokenInvalidError
from apps.users.models import Session, User
from apps.users.services import SessionService, UserService
from apps.users.tests.factories import AdminFactory, UserFactory
from apps.users.tests.support import signed_in
from infrastructure.tokens import TokenService

pytestmark = pytest.mark.django_db

NOW = datetime.now(UTC)


def test_the_role_is_the_accounts_and_not_the_tokens() -> None:
    admin, _ = AdminFactory.create(), AdminFactory.create()
    credentials = signed_in(admin)
    UserService.update(actor=admin, user_id=admin.pk, changes={"role": "user"})

    assert TokenService.decode(credentials.access, expected_type="access").role == "admin"
    assert SessionService.resume(access=credentials.access).role == Role.USER


def test_a_refresh_token_opens_nothing() -> None:
    credentials = signed_in(UserFactory.create())

    with pytest.raises(TokenInvalidError):
        SessionService.resume(access=credentials.refresh)


def test_an_access_token_works_for_fifteen_minutes() -> None:
    user, moment = UserFactory.create(), datetime(2026, 3, 1, 12, tzinfo=UTC)
    with freeze_time(moment):
        credentials = signed_in(user)

    with freeze_time(moment + timedelta(minutes=15, seconds=-1)):
        assert SessionService.resume(access=credentials.access).id == user.pk
    with freeze_time(moment + timedelta(minutes=15)), pytest.raises(TokenExpiredError):
        SessionService.resume(access=credentials.access)


@pytest.mark.parametrize("change", [{"ended_at": NOW}, {"expires_at": NOW}])
def test_a_genuine_token_is_refused_once_its_session_is_over(change: dict[str, Any]) -> None:
    credentials = signed_in(UserFactory.create())
    Session.objects.update(**change)

    with pytest.raises(SessionRevokedError):
        SessionService.resume(access=credentials.access)


@pytest.mark.parametrize("change", [{"token_version": 2}, {"is_active": False}])
def test_a_genuine_token_is_refused_once_its_account_has_moved_on(change: dict[str, Any]) -> None:
    credentials = signed_in(UserFactory.create())
    User.objects.update(**change)

    with pytest.raises(SessionRevokedError):
        SessionService.resume(access=credentials.access)


def test_a_genuine_token_is_refused_once_its_session_is_deleted() -> None:
    credentials = signed_in(UserFactory.create())
    Session.objects.all().delete()

    with pytest.raises(SessionRevokedError):
        SessionService.resume(access=credentials.access)


def test_a_token_for_anothers_session_is_refused() -> None:
    user, other = UserFactory.create(), UserFactory.create()
    signed_in(other)
    session = Session.objects.get()
    forged = TokenService.access(user_id=user.pk, role="user", version=1, session_id=session.pk)

    with pytest.raises(SessionRevokedError):
        SessionService.resume(access=forged)


def test_a_token_for_an_account_that_is_gone_is_refused() -> None:
    token = TokenService.access(user_id=uuid4(), role="admin", version=1, session_id=uuid4())

    with pytest.raises(SessionRevokedError):
        SessionService.resume(access=token)
