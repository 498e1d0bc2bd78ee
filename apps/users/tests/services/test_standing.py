from collections.abc import Callable, Sequence

import pytest
from freezegun import freeze_time
from pytest_django import DjangoAssertNumQueries

from apps.common.enums import Role
from apps.users.exceptions import SessionRevokedError, TokenExpiredError
from apps.users.models import User
from apps.users.services import SessionService
from apps.users.tests.factories import UserFactory
from apps.users.tests.support import ENDINGS, redis_refusing, signed_in
from apps.users.types import Admitted, Bearer, Credentials
from infrastructure.ratelimit import Limit

pytestmark = pytest.mark.django_db(transaction=True)


def _bearer(credentials: Credentials) -> Bearer:
    return SessionService.admit(access=credentials.access, limits_of=lambda _: ()).bearer


def _kinds(outcomes: Sequence[object]) -> list[type]:
    return [type(outcome) for outcome in outcomes]


def test_however_many_are_asked_for_it_is_one_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    bearers = [_bearer(signed_in(UserFactory.create())) for _ in range(5)]

    with django_assert_num_queries(1):
        outcomes = SessionService.standing(bearers=[*bearers, bearers[0]])

    ids = [outcome.account.id for outcome in outcomes if isinstance(outcome, Admitted)]
    assert ids == [bearer.user_id for bearer in [*bearers, bearers[0]]]


@pytest.mark.parametrize("end", ENDINGS.values(), ids=ENDINGS)
def test_whose_session_was_ended_in_whichever_way_stands_no_longer(
    end: Callable[[Credentials], None],
) -> None:
    user, other = UserFactory.create(), UserFactory.create()
    credentials = signed_in(user)
    bearers = [_bearer(credentials), _bearer(signed_in(other))]

    end(credentials)

    assert _kinds(SessionService.standing(bearers=bearers)) == [SessionRevokedError, Admitted]
    assert _kinds(SessionService.readmit_all(callers=[(bearer, ()) for bearer in bearers])) == [
        SessionRevokedError,
        Admitted,
    ]


def test_a_role_is_the_one_of_the_database() -> None:
    user = UserFactory.create()
    bearer = _bearer(signed_in(user))
    User.objects.filter(pk=user.pk).update(role=Role.MODERATOR)

    (outcome,) = SessionService.standing(bearers=[bearer])

    assert isinstance(outcome, Admitted)
    assert outcome.account.role == Role.MODERATOR


def test_a_token_that_has_ended_is_named_and_the_others_are_let_in() -> None:
    first = _bearer(signed_in(UserFactory.create()))
    with freeze_time(first.expires_at):
        second = _bearer(signed_in(UserFactory.create()))

        assert _kinds(SessionService.standing(bearers=[first, second])) == [TokenExpiredError, Admitted]
        assert _kinds(SessionService.readmit_all(callers=[(first, ()), (second, ())])) == [TokenExpiredError, Admitted]


def test_several_are_admitted_together_from_the_cache(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    bearers = [_bearer(signed_in(UserFactory.create())) for _ in range(3)]
    limits = [[Limit("burst", str(bearer.user_id), count=1, window=60)] for bearer in bearers]
    callers = [*zip(bearers, limits, strict=True), (bearers[0], limits[0])]

    with django_assert_num_queries(0):
        outcomes = SessionService.readmit_all(callers=callers)

    assert [outcome.verdict.allowed for outcome in outcomes if isinstance(outcome, Admitted) and outcome.verdict] == [
        True,
        True,
        True,
        False,
    ]


def test_with_redis_away_several_are_admitted_by_one_query_and_without_limits(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    bearers = [_bearer(signed_in(UserFactory.create())) for _ in range(3)]
    limit = Limit("burst", "all", count=1, window=60)

    with redis_refusing(), django_assert_num_queries(1):
        outcomes = SessionService.readmit_all(callers=[(bearer, [limit]) for bearer in bearers])

    assert [outcome.verdict for outcome in outcomes if isinstance(outcome, Admitted)] == [None] * 3


def test_nobody_is_nobody() -> None:
    assert SessionService.standing(bearers=[]) == SessionService.readmit_all(callers=[]) == []
