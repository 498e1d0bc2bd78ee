from uuid import uuid4

import pytest

from apps.common.enums import Role
from apps.common.exceptions import AppException, ForbiddenError, NotFoundError
from apps.common.tests.races import at_once
from apps.users.exceptions import LastAdminError, OwnAccountError, SessionRevokedError
from apps.users.models import Session, User
from apps.users.services import SessionService, UserService
from apps.users.tests.factories import AdminFactory, ModeratorFactory, UserFactory
from apps.users.tests.support import redis_refusing, row, signed_in
from infrastructure.redis import RedisUnavailable


@pytest.mark.django_db
def test_a_deactivated_account_loses_every_session_and_every_token() -> None:
    admin, user = AdminFactory.create(), UserFactory.create()
    credentials = [signed_in(user) for _ in range(2)]

    UserService.deactivate(actor=admin, user_id=user.pk)

    user.refresh_from_db()
    assert (user.is_active, user.token_version) == (False, 2)
    assert not Session.objects.filter(user=user, ended_at=None).exists()
    for pair in credentials:
        with pytest.raises(SessionRevokedError):
            SessionService.resume(access=pair.access)
        with pytest.raises(SessionRevokedError):
            SessionService.refresh(token=pair.refresh)


@pytest.mark.django_db
def test_once_more_is_no_error_and_no_change() -> None:
    admin, user = AdminFactory.create(), UserFactory.create()
    UserService.deactivate(actor=admin, user_id=user.pk)
    before = row(user.pk)

    UserService.deactivate(actor=admin, user_id=user.pk)

    assert row(user.pk) == before


@pytest.mark.django_db
def test_nobody_deactivates_the_own_account() -> None:
    admin, _ = AdminFactory.create(), AdminFactory.create()
    before = row(admin.pk)

    with pytest.raises(OwnAccountError):
        UserService.deactivate(actor=admin, user_id=admin.pk)

    assert row(admin.pk) == before


@pytest.mark.django_db
def test_the_last_active_admin_cannot_be_deactivated() -> None:
    admin, closed = AdminFactory.create(), AdminFactory.create(is_active=False)
    before = row(admin.pk)

    # One who was still an admin when the request came in.
    with pytest.raises(LastAdminError):
        UserService.deactivate(actor=closed, user_id=admin.pk)

    assert row(admin.pk) == before


@pytest.mark.django_db
@pytest.mark.parametrize("factory", [UserFactory, ModeratorFactory])
def test_nobody_but_an_admin_deactivates(factory: type[UserFactory]) -> None:
    actor, user = factory.create(), UserFactory.create()
    before = row(user.pk)

    with pytest.raises(ForbiddenError):
        UserService.deactivate(actor=actor, user_id=user.pk)

    assert row(user.pk) == before


@pytest.mark.django_db
def test_an_unknown_account_is_not_found() -> None:
    with pytest.raises(NotFoundError):
        UserService.deactivate(actor=AdminFactory.create(), user_id=uuid4())


@pytest.mark.django_db(transaction=True)
def test_without_redis_nothing_is_deactivated_since_a_cached_copy_would_outlive_it() -> None:
    admin, user = AdminFactory.create(), UserFactory.create()
    credentials = signed_in(user)
    before = row(user.pk)

    with redis_refusing(), pytest.raises(RedisUnavailable):
        UserService.deactivate(actor=admin, user_id=user.pk)

    assert row(user.pk) == before
    assert SessionService.resume(access=credentials.access).id == user.pk


@pytest.mark.django_db(transaction=True)
def test_of_two_admins_who_deactivate_each_other_at_once_one_stays() -> None:
    for _ in range(10):
        User.objects.all().delete()
        admins = [AdminFactory.create(), AdminFactory.create()]

        def deactivate(number: int, admins: list[User] = admins) -> str:
            try:
                UserService.deactivate(actor=admins[number], user_id=admins[1 - number].pk)
            except AppException as error:
                return error.code
            return "done"

        assert sorted(at_once(2, deactivate)) == ["conflict", "done"]
        assert User.objects.active().by_role(Role.ADMIN).count() == 1


@pytest.mark.django_db(transaction=True)
def test_one_who_is_demoted_and_one_who_is_deactivated_at_once_leave_one_admin() -> None:
    for _ in range(10):
        User.objects.all().delete()
        admins = [AdminFactory.create(), AdminFactory.create()]

        def remove(number: int, admins: list[User] = admins) -> str:
            try:
                if number:
                    UserService.deactivate(actor=admins[1], user_id=admins[0].pk)
                else:
                    UserService.update(actor=admins[0], user_id=admins[1].pk, changes={"role": "user"})
            except AppException as error:
                return error.code
            return "done"

        assert sorted(at_once(2, remove)) == ["conflict", "done"]
        assert User.objects.active().by_role(Role.ADMIN).count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_login_beside_a_deactivation_leaves_no_open_session() -> None:
    admin = AdminFactory.create()
    for _ in range(10):
        user = UserFactory.create()

        def act(number: int, user: User = user) -> None:
            if number:
                UserService.deactivate(actor=admin, user_id=user.pk)
                return
            try:
                signed_in(user)
            except AppException:
                return

        at_once(2, act)

        assert not Session.objects.filter(user=user, ended_at=None).exists()
