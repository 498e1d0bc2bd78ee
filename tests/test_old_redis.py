"""A Redis that comes back from an old copy of its data: what ended or changed since stays so."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.common.enums import Role
from apps.users.exceptions import SessionRevokedError
from apps.users.selectors import UserSelector
from apps.users.services import SessionService, UserService
from apps.users.tests.factories import AdminFactory, UserFactory
from apps.users.tests.support import ENDINGS, signed_in
from tests.infrastructure.support import Server, redis_at

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    server.start()
    with redis_at(server.port):
        yield server
    server.kill()


@pytest.mark.parametrize("ending", ENDINGS)
def test_nobody_whose_session_ended_since_is_admitted(server: Server, ending: str) -> None:
    credentials = signed_in(UserFactory.create())
    SessionService.resume(access=credentials.access)
    server.snapshot()
    ENDINGS[ending](credentials)
    server.kill()
    server.start()

    with pytest.raises(SessionRevokedError):
        SessionService.resume(access=credentials.access)


def test_nobody_gets_a_role_back(server: Server) -> None:
    admin, other = AdminFactory.create(), AdminFactory.create()
    access = signed_in(admin).access
    assert SessionService.resume(access=access).role == Role.ADMIN
    server.snapshot()
    UserService.update(actor=other, user_id=admin.pk, changes={"role": Role.USER})
    server.kill()
    server.start()

    assert UserSelector.by_id(user_id=admin.pk).role == Role.USER
    assert SessionService.resume(access=access).role == Role.USER
