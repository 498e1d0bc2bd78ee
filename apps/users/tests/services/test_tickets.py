from datetime import timedelta

import pytest
from django.utils import timezone
from freezegun import freeze_time
from pytest_django import DjangoAssertNumQueries

from apps.common.exceptions import AppException
from apps.common.tests.races import at_once
from apps.users.exceptions import SessionRevokedError, TokenExpiredError, TokenInvalidError
from apps.users.models import Session, User
from apps.users.services import SessionService
from apps.users.tests.factories import UserFactory
from apps.users.tests.support import redis_contents, redis_refusing, signed_in
from apps.users.types import Bearer
from infrastructure.ratelimit import NO_LIMITS
from infrastructure.redis import RedisUnavailable

pytestmark = pytest.mark.django_db(transaction=True)


def _bearer(user: User | None = None) -> Bearer:
    user = user or UserFactory.create()
    access = signed_in(user).access
    return SessionService.admit(access=access, limits_of=lambda _: ()).bearer


def _redeem(ticket: str) -> str | None:
    try:
        SessionService.redeem_ticket(ticket=ticket)
    except AppException as error:
        return error.code
    return None


def test_a_ticket_speaks_for_the_account_the_session_and_the_end_of_the_access_token(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    bearer = _bearer()
    ticket = SessionService.issue_ticket(bearer=bearer)

    with django_assert_num_queries(0):
        admitted = SessionService.redeem_ticket(ticket=ticket.ticket)

    assert ticket.expires_in == 30
    assert (admitted.account.id, admitted.bearer, admitted.verdict) == (bearer.user_id, bearer, NO_LIMITS)
    assert admitted.bearer.session_id == Session.objects.get().pk
    assert timedelta(minutes=14) < admitted.bearer.expires_at - timezone.now() <= timedelta(minutes=15)


def test_a_ticket_works_once() -> None:
    ticket = SessionService.issue_ticket(bearer=_bearer()).ticket

    assert [_redeem(ticket) for _ in range(3)] == [None, "token_invalid", "token_invalid"]


def test_of_fifty_who_redeem_a_ticket_at_once_one_is_let_in() -> None:
    ticket = SessionService.issue_ticket(bearer=_bearer()).ticket

    answers = at_once(50, lambda _: _redeem(ticket))

    assert sorted(map(str, answers)) == ["None"] + ["token_invalid"] * 49


@pytest.mark.parametrize("text", ["", "rubbish", "\x00\ud800", "x" * 43])
def test_what_is_no_ticket_opens_nothing(text: str) -> None:
    with pytest.raises(TokenInvalidError):
        SessionService.redeem_ticket(ticket=text)


def test_a_ticket_is_over_with_its_session() -> None:
    bearer = _bearer()
    ticket = SessionService.issue_ticket(bearer=bearer).ticket

    SessionService.end(user_id=bearer.user_id, session_id=bearer.session_id)

    with pytest.raises(SessionRevokedError):
        SessionService.redeem_ticket(ticket=ticket)


def test_a_ticket_is_over_with_the_tokens_of_its_account() -> None:
    bearer = _bearer()
    ticket = SessionService.issue_ticket(bearer=bearer).ticket

    SessionService.logout_all(user_id=bearer.user_id)

    with pytest.raises(SessionRevokedError):
        SessionService.redeem_ticket(ticket=ticket)


def test_a_ticket_does_not_outlive_the_access_token_that_it_was_made_with() -> None:
    bearer = _bearer()
    with freeze_time(bearer.expires_at - timedelta(seconds=5)):
        ticket = SessionService.issue_ticket(bearer=bearer)
    assert ticket.expires_in == 5

    with freeze_time(bearer.expires_at), pytest.raises(TokenExpiredError):
        SessionService.redeem_ticket(ticket=ticket.ticket)


def test_redis_holds_no_ticket() -> None:
    ticket = SessionService.issue_ticket(bearer=_bearer()).ticket

    held = redis_contents()

    assert any(":ticket:" in name for name in held)
    assert ticket not in str(held)


def test_without_redis_there_are_no_tickets() -> None:
    bearer = _bearer()
    ticket = SessionService.issue_ticket(bearer=bearer).ticket

    with redis_refusing():
        with pytest.raises(RedisUnavailable):
            SessionService.issue_ticket(bearer=bearer)
        with pytest.raises(RedisUnavailable):
            SessionService.redeem_ticket(ticket=ticket)
