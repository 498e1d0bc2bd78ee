from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest

from apps.common.enums import Role
from apps.common.exceptions import AppException, ForbiddenError, NotFoundError
from apps.common.tests.races import at_once
from apps.users.exceptions import LastAdminError
from apps.users.models import User
from apps.users.selectors import UserSelector
from apps.users.services import UserService
from apps.users.tests.factories import AdminFactory, ModeratorFactory, UserFactory
from apps.users.tests.support import row


@dataclass(frozen=True)
class Someone:
    id: UUID
    role: Role


ADMIN = Someone(uuid4(), Role.ADMIN)


@pytest.mark.django_db
def test_name_and_phone_change_and_the_changed_account_comes_back() -> None:
    user = UserFactory.create(name="Ada", phone="+442079460000")

    account = UserService.update(actor=user, user_id=user.pk, changes={"name": "Ada King", "phone": None})

    user.refresh_from_db()
    assert (account.name, account.phone) == (user.name, user.phone) == ("Ada King", None)


@pytest.mark.django_db
def test_what_is_not_named_stays() -> None:
    user = ModeratorFactory.create(name="Ada", phone="+442079460000")
    before = row(user.pk)

    UserService.update(actor=user, user_id=user.pk, changes={"name": "Ada King"})

    after = row(user.pk)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"name", "updated_at", "row_version"}


@pytest.mark.django_db
def test_an_admin_changes_a_role() -> None:
    user = UserFactory.create()

    UserService.update(actor=ADMIN, user_id=user.pk, changes={"role": "moderator"})

    user.refresh_from_db()
    assert user.role == Role.MODERATOR


@pytest.mark.django_db
@pytest.mark.parametrize("changes", [{"role": "admin"}, {"is_staff": True}, {"name": "Eve", "role": "moderator"}])
@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
def test_nobody_else_raises_anyone_not_even_himself(role: Role, changes: dict[str, object]) -> None:
    user = UserFactory.create(role=Role.USER)
    before = row(user.pk)

    with pytest.raises(ForbiddenError):
        UserService.update(actor=Someone(user.pk, role), user_id=user.pk, changes=changes)

    assert row(user.pk) == before


@pytest.mark.django_db
def test_the_role_one_has_may_be_named_by_anyone() -> None:
    user = UserFactory.create(name="Ada")

    UserService.update(actor=user, user_id=user.pk, changes={"name": "Ada King", "role": "user", "is_staff": False})

    user.refresh_from_db()
    assert (user.name, user.role) == ("Ada King", Role.USER)


@pytest.mark.django_db
def test_a_demoted_admin_loses_the_admin_site_with_the_role() -> None:
    admin, _ = AdminFactory.create(), AdminFactory.create()

    UserService.update(actor=ADMIN, user_id=admin.pk, changes={"role": "moderator"})

    admin.refresh_from_db()
    assert (admin.role, admin.is_staff, admin.is_superuser) == (Role.MODERATOR, False, False)


@pytest.mark.django_db
@pytest.mark.parametrize("others", [[], ["inactive"]])
def test_the_last_active_admin_keeps_the_role(others: list[str]) -> None:
    admin = AdminFactory.create()
    for _ in others:
        AdminFactory.create(is_active=False)
    before = row(admin.pk)

    with pytest.raises(LastAdminError):
        UserService.update(actor=admin, user_id=admin.pk, changes={"role": "user", "name": "Eve"})

    assert row(admin.pk) == before


@pytest.mark.django_db
def test_an_inactive_admin_may_be_demoted_while_one_active_admin_is_left() -> None:
    AdminFactory.create()
    closed = AdminFactory.create(is_active=False)

    UserService.update(actor=ADMIN, user_id=closed.pk, changes={"role": "user"})

    closed.refresh_from_db()
    assert closed.role == Role.USER


@pytest.mark.django_db
def test_an_unknown_account_is_not_found() -> None:
    with pytest.raises(NotFoundError):
        UserService.update(actor=ADMIN, user_id=uuid4(), changes={"name": "Ada"})


@pytest.mark.django_db(transaction=True)
def test_a_change_is_read_back_from_the_cache_right_after_the_commit() -> None:
    user = UserFactory.create(name="Ada")
    UserSelector.by_id(user_id=user.pk)

    UserService.update(actor=ADMIN, user_id=user.pk, changes={"name": "Ada King", "role": "moderator"})

    account = UserSelector.by_id(user_id=user.pk)
    assert (account.name, account.role) == ("Ada King", "moderator")


@pytest.mark.django_db(transaction=True)
def test_of_two_admins_who_demote_each_other_at_once_one_stays() -> None:
    for _ in range(10):
        User.objects.all().delete()
        admins = [AdminFactory.create(), AdminFactory.create()]

        def demote(number: int, admins: list[User] = admins) -> str:
            try:
                UserService.update(actor=admins[number], user_id=admins[1 - number].pk, changes={"role": "user"})
            except AppException as error:
                return error.code
            return "done"

        assert sorted(at_once(2, demote)) == ["conflict", "done"]
        assert User.objects.active().by_role(Role.ADMIN).count() == 1
