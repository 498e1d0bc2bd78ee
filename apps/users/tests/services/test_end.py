from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from apps.common.exceptions import NotFoundError
from apps.common.tests.races import at_once
from apps.users.enums import AuditAction
from apps.users.exceptions import SessionRevokedError
from apps.users.models import AuditEntry, Session
from apps.users.services import SessionService
from apps.users.tests.factories import UserFactory
from apps.users.tests.support import redis_refusing, signed_in
from infrastructure.redis import RedisUnavailable
from infrastructure.tokens import TokenService


def _session_of(access: str) -> Session:
    return Session.objects.get(pk=TokenService.decode(access, expected_type="access").session_id)


@pytest.mark.django_db
def test_that_session_ends_with_both_its_tokens_and_no_other() -> None:
    user = UserFactory.create()
    here, there = (signed_in(user) for _ in range(2))
    session = _session_of(there.access)

    SessionService.end(user_id=user.pk, session_id=session.pk)

    with pytest.raises(SessionRevokedError):
        SessionService.resume(access=there.access)
    with pytest.raises(SessionRevokedError):
        SessionService.refresh(token=there.refresh)
    assert SessionService.resume(access=here.access).id == user.pk


@pytest.mark.django_db
def test_it_is_written_down() -> None:
    user = UserFactory.create()
    session = _session_of(signed_in(user).access)

    SessionService.end(user_id=user.pk, session_id=session.pk)

    entry = AuditEntry.objects.get(action=AuditAction.SESSION_ENDED)
    assert (entry.account_id, entry.actor_id, entry.details) == (user.pk, user.pk, {"session_id": str(session.pk)})


@pytest.mark.django_db
@pytest.mark.parametrize("case", ["another's", "unknown", "ended", "expired"])
def test_what_is_no_open_session_of_the_user_is_not_found_and_stays_as_it_is(case: str) -> None:
    user, other = UserFactory.create(), UserFactory.create()
    session = _session_of(signed_in(user).access)
    if case == "ended":
        SessionService.end(user_id=user.pk, session_id=session.pk)
    if case == "expired":
        Session.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    before = list(Session.objects.values()), AuditEntry.objects.count()

    with pytest.raises(NotFoundError):
        SessionService.end(
            user_id=other.pk if case == "another's" else user.pk,
            session_id=uuid4() if case == "unknown" else session.pk,
        )

    assert (list(Session.objects.values()), AuditEntry.objects.count()) == before


@pytest.mark.django_db(transaction=True)
def test_without_redis_the_session_goes_on() -> None:
    user = UserFactory.create()
    access = signed_in(user).access

    with redis_refusing(), pytest.raises(RedisUnavailable):
        SessionService.end(user_id=user.pk, session_id=_session_of(access).pk)

    assert SessionService.resume(access=access).id == user.pk
    assert not AuditEntry.objects.filter(action=AuditAction.SESSION_ENDED).exists()


@pytest.mark.django_db(transaction=True)
def test_of_many_who_end_it_at_once_one_does() -> None:
    user = UserFactory.create()
    session = _session_of(signed_in(user).access)

    def end(_: int) -> bool:
        try:
            SessionService.end(user_id=user.pk, session_id=session.pk)
        except NotFoundError:
            return False
        return True

    assert sum(at_once(8, end)) == 1
    assert AuditEntry.objects.filter(action=AuditAction.SESSION_ENDED).count() == 1
