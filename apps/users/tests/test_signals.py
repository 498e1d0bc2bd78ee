import pytest
from django.db import transaction

from apps.common.exceptions import NotFoundError
from apps.users.models import User
from apps.users.selectors import UserSelector, account_cache
from apps.users.tests.factories import UserFactory
from apps.users.tests.support import at_once, redis_refusing, row
from infrastructure.redis import RedisUnavailable

pytestmark = pytest.mark.django_db(transaction=True)


def _warm(**values: object) -> User:
    user = UserFactory.create(**values)
    UserSelector.by_id(user_id=user.pk)
    assert account_cache.get_many([user.pk])
    return user


def test_a_save_in_the_shell_is_seen_at_once() -> None:
    user = _warm(name="Ada")

    user.name = "Ada King"
    user.save()

    assert UserSelector.by_id(user_id=user.pk).name == "Ada King"
    assert account_cache.get_many([user.pk])[user.pk]["name"] == "Ada King"


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
    user = _warm(name="0")
    committed = [0]

    def act(number: int) -> None:
        if number == 0:
            for step in range(1, 21):
                with transaction.atomic():
                    locked = User.objects.select_for_update().get(pk=user.pk)
                    locked.name = str(step)
                    locked.save()
                committed[0] = step
            return
        while committed[0] < 20:
            known = committed[0]
            assert int(UserSelector.by_id(user_id=user.pk).name) >= known

    at_once(5, act)

    assert UserSelector.by_id(user_id=user.pk).name == "20"
