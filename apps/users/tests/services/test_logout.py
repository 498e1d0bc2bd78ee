import pytest

from apps.users.exceptions import SessionRevokedError
from apps.users.models import Session
from apps.users.services import SessionService
from apps.users.tests.factories import UserFactory
from apps.users.tests.support import signed_in

pytestmark = pytest.mark.django_db


def test_a_logout_kills_the_access_and_the_refresh_token_of_that_session_only() -> None:
    user = UserFactory.create()
    here, there = (signed_in(user) for _ in range(2))

    SessionService.logout(token=here.refresh)

    with pytest.raises(SessionRevokedError):
        SessionService.resume(access=here.access)
    with pytest.raises(SessionRevokedError):
        SessionService.refresh(token=here.refresh)
    assert SessionService.resume(access=there.access).id == user.pk


def test_a_used_up_token_still_ends_its_session() -> None:
    first = signed_in(UserFactory.create())
    second = SessionService.refresh(token=first.refresh)

    SessionService.logout(token=first.refresh)

    with pytest.raises(SessionRevokedError):
        SessionService.resume(access=second.access)


def test_a_second_logout_keeps_the_time_of_the_first() -> None:
    credentials = signed_in(UserFactory.create())
    SessionService.logout(token=credentials.refresh)
    ended_at = Session.objects.get().ended_at

    SessionService.logout(token=credentials.refresh)

    assert Session.objects.get().ended_at == ended_at is not None


@pytest.mark.parametrize("spoil", [lambda pair: "rubbish", lambda pair: pair.access, lambda pair: pair.refresh + "="])
def test_a_token_that_is_not_good_ends_nothing(spoil: object) -> None:
    credentials = signed_in(UserFactory.create())

    SessionService.logout(token=spoil(credentials))  # type: ignore[operator]  # one of the functions above

    assert Session.objects.get().ended_at is None
