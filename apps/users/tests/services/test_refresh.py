from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings
from freezegun import freeze_time
from structlog.testing import capture_logs

from apps.common.exceptions import AppException
from apps.common.tests.races import at_once
from apps.users.exceptions import SessionRevokedError, TokenExpiredError, TokenInvalidError, TokenReusedError
from apps.users.models import AuditEntry, RefreshToken, Session, User
from apps.users.services import SessionService, UserService
from apps.users.tests.factories import AdminFactory, UserFactory
from apps.users.tests.support import signed_in
from apps.users.types import Credentials
from infrastructure.queue.models import OutboxRow
from infrastructure.tokens import TokenService

MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _login() -> Credentials:
    return signed_in(UserFactory.create())


def _refresh(token: str) -> str:
    try:
        return SessionService.refresh(token=token).refresh
    except AppException as error:
        return error.code


@pytest.mark.django_db
def test_a_refresh_gives_a_new_pair_of_the_same_session_and_uses_the_old_token_up() -> None:
    with freeze_time(MOMENT):
        first = _login()
    with freeze_time(MOMENT + timedelta(hours=1)):
        second = SessionService.refresh(token=first.refresh)
        account = SessionService.resume(access=second.access)
        old, new = (TokenService.decode(pair.refresh, expected_type="refresh") for pair in (first, second))

    assert (new.session_id, new.subject) == (old.session_id, old.subject) == (Session.objects.get().pk, account.id)
    assert new.token_id != old.token_id
    assert new.expires_at == MOMENT + timedelta(hours=1, days=7)
    assert RefreshToken.objects.get(pk=old.token_id).used_at == MOMENT + timedelta(hours=1)
    assert RefreshToken.objects.get(pk=old.token_id).successor_id == new.token_id
    assert RefreshToken.objects.get(pk=new.token_id).used_at is None


@pytest.mark.django_db
def test_within_ten_seconds_the_same_successor_comes_again_byte_for_byte_with_a_fresh_access_token() -> None:
    with freeze_time(MOMENT):
        first = _login()
        second = SessionService.refresh(token=first.refresh)
    with freeze_time(MOMENT + timedelta(seconds=10)):
        again = SessionService.refresh(token=first.refresh)
        SessionService.resume(access=again.access)

    assert again.refresh == second.refresh
    assert again.access != second.access
    assert RefreshToken.objects.count() == 2


@pytest.mark.django_db
def test_reuse_after_the_grace_ends_the_session_and_is_logged_without_the_token() -> None:
    with freeze_time(MOMENT):
        first = _login()
        second = SessionService.refresh(token=first.refresh)
    with freeze_time(MOMENT + timedelta(seconds=11)), capture_logs() as lines:
        with pytest.raises(TokenReusedError):
            SessionService.refresh(token=first.refresh)
        with pytest.raises(SessionRevokedError):
            SessionService.resume(access=second.access)
        with pytest.raises(SessionRevokedError):
            SessionService.refresh(token=second.refresh)

    assert [line["event"] for line in lines] == ["refresh_token_reused"]
    assert first.refresh not in str(lines)


@pytest.mark.django_db
def test_the_owner_is_told_of_reuse_and_the_audit_knows_it() -> None:
    with freeze_time(MOMENT):
        first = _login()
        SessionService.refresh(token=first.refresh)
    with freeze_time(MOMENT + timedelta(seconds=11)), pytest.raises(TokenReusedError):
        SessionService.refresh(token=first.refresh)

    session = Session.objects.get()
    (job,) = OutboxRow.objects.all()
    assert (job.name, job.payload) == (
        "users.send_security_notice",
        {"user_id": str(session.user_id), "notice": "token_reused"},
    )
    (entry,) = AuditEntry.objects.exclude(action="signed_in")
    assert (entry.action, entry.account_id, entry.details) == (
        "token_reused",
        session.user_id,
        {"session_id": str(session.pk)},
    )


@pytest.mark.django_db
def test_reuse_of_a_token_whose_successor_was_used_ends_the_session_at_once() -> None:
    with freeze_time(MOMENT):
        first = _login()
        second = SessionService.refresh(token=first.refresh)
        third = SessionService.refresh(token=second.refresh)

        with pytest.raises(TokenReusedError):
            SessionService.refresh(token=first.refresh)
        with pytest.raises(SessionRevokedError):
            SessionService.refresh(token=third.refresh)


@pytest.mark.django_db
def test_reuse_ends_that_session_only() -> None:
    user = UserFactory.create()
    with freeze_time(MOMENT):
        stolen, other = (signed_in(user) for _ in range(2))
        SessionService.refresh(token=stolen.refresh)
    with freeze_time(MOMENT + timedelta(seconds=11)):
        with pytest.raises(TokenReusedError):
            SessionService.refresh(token=stolen.refresh)

        assert SessionService.resume(access=other.access).id == user.pk


@pytest.mark.django_db
def test_no_refresh_token_outlives_its_session_whatever_the_rotation() -> None:
    with freeze_time(MOMENT) as clock:
        credentials = _login()
        for _ in range(4):
            clock.tick(timedelta(days=6))
            credentials = SessionService.refresh(token=credentials.refresh)
        clock.move_to(MOMENT + timedelta(days=30, minutes=-1))
        credentials = SessionService.refresh(token=credentials.refresh)
        assert RefreshToken.objects.get(used_at=None).expires_at == MOMENT + timedelta(days=30)

        clock.move_to(MOMENT + timedelta(days=30))
        with pytest.raises(TokenExpiredError):
            SessionService.refresh(token=credentials.refresh)
        # This one's own time is not over: the session's is.
        with pytest.raises(SessionRevokedError):
            SessionService.resume(access=credentials.access)


@pytest.mark.django_db
def test_an_expired_token_is_told_from_a_bad_one() -> None:
    with freeze_time(MOMENT):
        credentials = _login()
    with freeze_time(MOMENT + timedelta(days=7)), pytest.raises(TokenExpiredError):
        SessionService.refresh(token=credentials.refresh)


@pytest.mark.django_db
@pytest.mark.parametrize("suffix", ["=", "==", "\n", " ", "A"])
def test_no_other_spelling_of_a_token_is_taken(suffix: str) -> None:
    credentials = _login()

    with pytest.raises(TokenInvalidError):
        SessionService.refresh(token=credentials.refresh + suffix)

    assert RefreshToken.objects.get().used_at is None


@pytest.mark.django_db
def test_an_access_token_refreshes_nothing() -> None:
    credentials = _login()

    with pytest.raises(TokenInvalidError):
        SessionService.refresh(token=credentials.access)

    assert RefreshToken.objects.count() == 1


@pytest.mark.django_db
def test_a_genuine_token_that_no_row_knows_is_refused() -> None:
    credentials = _login()
    RefreshToken.objects.all().delete()

    with pytest.raises(TokenInvalidError):
        SessionService.refresh(token=credentials.refresh)


@pytest.mark.django_db
@pytest.mark.parametrize("change", [{"token_version": 2}, {"is_active": False}])
def test_a_token_is_refused_once_its_account_has_moved_on_even_in_an_open_session(change: dict[str, Any]) -> None:
    credentials = _login()
    User.objects.update(**change)

    with pytest.raises(SessionRevokedError):
        SessionService.refresh(token=credentials.refresh)

    assert RefreshToken.objects.get().used_at is None


@pytest.mark.django_db
def test_a_retired_key_keeps_verifying_and_the_successor_is_signed_with_the_new_one() -> None:
    credentials = _login()
    retired = [key | {"sign": False} for key in settings.JWT_KEYS]
    with override_settings(JWT_KEYS=[*retired, {"kid": "next", "secret": "n" * 40, "sign": True}]):
        second = SessionService.refresh(token=credentials.refresh)
        assert TokenService.decode(second.refresh, expected_type="refresh").key_id == "next"
        assert SessionService.refresh(token=credentials.refresh).refresh == second.refresh


@pytest.mark.django_db
def test_within_the_grace_a_successor_whose_key_is_gone_cannot_be_given_again() -> None:
    with freeze_time(MOMENT):
        first = _login()
        SessionService.refresh(token=first.refresh)
        RefreshToken.objects.filter(used_at=None).update(key_id="gone")

        with pytest.raises(TokenInvalidError):
            SessionService.refresh(token=first.refresh)


@pytest.mark.django_db(transaction=True)
def test_two_hundred_parallel_refreshes_of_one_token_make_one_successor() -> None:
    credentials = _login()

    answers = at_once(200, lambda _: _refresh(credentials.refresh))

    assert len(set(answers)) == 1
    assert RefreshToken.objects.count() == 2
    assert (
        RefreshToken.objects.get(used_at=None).pk == TokenService.decode(answers[0], expected_type="refresh").token_id
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("end", ["logout", "logout_all", "deactivate"])
def test_a_refresh_beside_the_end_of_the_session_fails_cleanly_and_leaves_no_living_token(end: str) -> None:
    admin = AdminFactory.create()
    for _ in range(15):
        user = UserFactory.create()
        credentials = signed_in(user)

        def act(number: int, user: User = user, credentials: Credentials = credentials) -> str:
            if number:
                return _refresh(credentials.refresh)
            if end == "logout":
                SessionService.logout(token=credentials.refresh)
            elif end == "logout_all":
                SessionService.logout_all(user_id=user.pk)
            else:
                UserService.deactivate(actor=admin, user_id=user.pk)
            return "over"

        over, *answers = at_once(4, act)

        assert over == "over"
        for answer in answers:
            assert answer == "session_revoked" or _refresh(answer) == "session_revoked"
