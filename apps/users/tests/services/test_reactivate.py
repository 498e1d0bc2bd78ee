from uuid import uuid4

import pytest

from apps.common.exceptions import ForbiddenError, NotFoundError
from apps.users.exceptions import SessionRevokedError
from apps.users.services import SessionService, UserService
from apps.users.tests.factories import AdminFactory, ModeratorFactory, UserFactory
from apps.users.tests.support import row, signed_in

pytestmark = pytest.mark.django_db


def test_a_reactivated_account_may_log_in_and_its_old_tokens_stay_dead() -> None:
    admin, user = AdminFactory.create(), UserFactory.create()
    old = signed_in(user)
    UserService.deactivate(actor=admin, user_id=user.pk)

    UserService.reactivate(actor=admin, user_id=user.pk)

    new = signed_in(user)
    assert SessionService.resume(access=new.access).id == user.pk
    with pytest.raises(SessionRevokedError):
        SessionService.resume(access=old.access)
    with pytest.raises(SessionRevokedError):
        SessionService.refresh(token=old.refresh)


def test_an_active_account_stays_as_it_is() -> None:
    user = UserFactory.create()
    before = row(user.pk)

    UserService.reactivate(actor=AdminFactory.create(), user_id=user.pk)

    assert row(user.pk) == before


def test_an_unknown_account_is_not_found() -> None:
    with pytest.raises(NotFoundError):
        UserService.reactivate(actor=AdminFactory.create(), user_id=uuid4())


@pytest.mark.parametrize("factory", [UserFactory, ModeratorFactory])
def test_nobody_but_an_admin_reactivates(factory: type[UserFactory]) -> None:
    actor, user = factory.create(), UserFactory.create(is_active=False)
    before = row(user.pk)

    with pytest.raises(ForbiddenError):
        UserService.reactivate(actor=actor, user_id=user.pk)

    assert row(user.pk) == before
