import time

import pytest
from django.db import transaction
from django.utils import timezone

from apps.common.exceptions import NotFoundError
from apps.common.tests.races import at_once
from apps.users.exceptions import SessionRevokedError
from apps.users.models import Session, User
from apps.users.selectors import UserSelector, account_cache, session_cache
from apps.users.services import SessionService
from apps.users.tests.factories import UserFactory
from apps.users.tests.support import redis_refusing, row, signed_in
from infrastructure.redis import RedisUnavailable

pytestmark = pytest.mark.django_db(transaction=True)


def _warm(**values: object) -> User:
    user = UserFactory.create(**values)
    UserSelector.by_id(user_id=user.pk)
    assert account_cache.look([user.pk]).found
    return user


def test_a_save_in_the_shell_is_seen_at_once() -> None:
    user = _warm(name="Ada")

    user.name = "Ada King"
    user.save()

    assert UserSelector.by_id(user_id=user.pk).name == "Ada King"
    assert account_cache.look([user.pk]).found[user.pk]["name"] == "Ada King"


def test_before_the_commit_readers_are_sent_to_the_database() -> None:
    user = _warm(name="Ada")

    with transaction.atomic():
        user.name = "Ada King"
        user.save()
        assert at_once(1, lambda _: UserSelector.by_id(user_id=user.pk).name) == ["Ada"]

    assert at_once(1, lambda _: UserSelector.by_id(user_id=user.pk).name) == ["Ada King"]


def test_a_rolled_back_save_leaves_the_row_as_it_was_to_every_reader() -> None:
    user = _warm(name="Ada")

    with transaction.atomic():
        user.name = "Ada King"
        user.save()
        transaction.set_rollback(True)

    assert UserSelector.by_id(user_id=user.pk).name == "Ada"


def test_a_deleted_account_is_gone_from_the_cache_too() -> None:
    user = _warm()
    user_id = user.pk

    user.delete()

    with pytest.raises(NotFoundError):
        UserSelector.by_id(user_id=user_id)


def test_an_account_that_is_saved_and_deleted_in_one_transaction_is_gone() -> None:
    user = _warm()
    user_id = user.pk

    with transaction.atomic():
        user.save()
        user.delete()

    with pytest.raises(NotFoundError):
        UserSelector.by_id(user_id=user_id)


@pytest.mark.parametrize("write", ["save", "delete"])
def test_without_redis_the_row_is_not_written_since_a_cached_copy_would_outlive_it(write: str) -> None:
    user = _warm(name="Ada")
    before = row(user.pk)
    user.name = "Ada King"

    with redis_refusing(), pytest.raises(RedisUnavailable):
        getattr(user, write)()

    assert row(user.pk) == before
    assert UserSelector.by_id(user_id=user.pk).name == "Ada"


def test_without_redis_a_new_account_can_be_made() -> None:
    with redis_refusing():
        user = UserFactory.create()

    assert UserSelector.by_id(user_id=user.pk).email == user.email


def test_readers_beside_a_writer_never_see_an_older_row_after_its_commit() -> None:
    """Four readers ask 10,000 times, while one writer commits a new name every few milliseconds."""
    user = _warm(name="0")
    committed = 0
    behind: list[int] = []

    def write() -> None:
        nonlocal committed
        while len(behind) < 4:
            with transaction.atomic():
                locked = User.objects.select_for_update().get(pk=user.pk)
                locked.name = str(committed + 1)
                locked.save()
            committed += 1
            # Or readers would find nothing but tombstones.
            time.sleep(0.01)

    def read() -> None:
        furthest = 0
        try:
            for _ in range(2_500):
                known = committed
                furthest = max(furthest, known - int(UserSelector.by_id(user_id=user.pk).name))
        finally:
            behind.append(furthest)

    at_once(5, lambda number: read() if number else write())

    assert behind == [0] * 4
    assert committed > 10
    assert UserSelector.by_id(user_id=user.pk).name == str(committed)


def _signed_in() -> tuple[Session, str]:
    credentials = signed_in(UserFactory.create())
    SessionService.resume(access=credentials.access)
    session = Session.objects.get()
    assert session_cache.look([session.pk]).found
    return session, credentials.access


@pytest.mark.parametrize("end", ["save", "delete"])
def test_a_session_that_ends_in_the_shell_is_over_at_once(end: str) -> None:
    session, access = _signed_in()

    session.ended_at = timezone.now()
    getattr(session, end)()

    with pytest.raises(SessionRevokedError):
        SessionService.resume(access=access)


def test_a_session_is_not_ended_without_redis_since_a_cached_copy_would_outlive_it() -> None:
    session, access = _signed_in()

    session.ended_at = timezone.now()
    for end in (session.save, session.delete):
        with redis_refusing(), pytest.raises(RedisUnavailable):
            end()

    assert Session.objects.get().ended_at is None
    assert SessionService.resume(access=access).id == session.user_id


def test_a_session_that_is_only_used_stays_in_the_cache() -> None:
    session, _ = _signed_in()

    with redis_refusing():
        session.save(update_fields=["last_used_at", "updated_at"])

    assert session_cache.look([session.pk]).found


def test_an_expired_session_is_deleted_without_redis() -> None:
    session, _ = _signed_in()
    session.expires_at = timezone.now()

    with redis_refusing():
        session.delete()

    assert not Session.objects.exists()
