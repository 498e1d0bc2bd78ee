import asyncio
import json
from collections.abc import Callable
from typing import Final
from uuid import UUID

import pytest
from channels.db import database_sync_to_async
from django.db import transaction

from apps.common.enums import Role
from apps.common.types import ACCOUNT_CHANGED, account_group
from apps.users.models import User
from apps.users.services import ErasureService, PasswordService, SessionService, UserService
from apps.users.tests.factories import PASSWORD, AdminFactory, UserFactory
from apps.users.tests.support import ENDINGS, signed_in
from apps.users.types import Credentials
from infrastructure import realtime

pytestmark = pytest.mark.django_db(transaction=True)


class _Ear:
    def __init__(self) -> None:
        self.frames: list[object] = []
        self.end = asyncio.Event()

    def heard(self, text: str) -> None:
        frame = json.loads(text)
        frame.pop("request_id", None)
        if frame["type"] == "end":
            self.end.set()
        else:
            self.frames.append(frame)

    def interrupted(self) -> None:
        raise AssertionError


def _told(user_id: UUID, work: Callable[[], object]) -> list[object]:
    """Return what is pushed to the group of an account while the work is done."""

    async def listen() -> list[object]:
        ear = _Ear()
        async with realtime.listening(account_group(user_id), ear):
            await database_sync_to_async(work)()
            await database_sync_to_async(realtime.push)(account_group(user_id), {"type": "end"})
            async with asyncio.timeout(5):
                await ear.end.wait()
        return ear.frames

    return asyncio.run(listen())


def _bearer_of(credentials: Credentials) -> UUID:
    return SessionService.admit(access=credentials.access, limits_of=lambda _: ()).bearer.session_id


def _change_role(user: User, _: Credentials) -> None:
    UserService.update(actor=AdminFactory.create(), user_id=user.pk, changes={"role": Role.MODERATOR})


def _change_password(user: User, credentials: Credentials) -> None:
    signed_in(user)
    PasswordService.change(
        user_id=user.pk, session_id=_bearer_of(credentials), current=PASSWORD, new="nine hundred lanterns"
    )


CHANGES: Final[dict[str, Callable[[User, Credentials], object]]] = {
    **{name: lambda _, credentials, end=end: end(credentials) for name, end in ENDINGS.items()},  # type: ignore[misc]  # a default binds it
    "role": _change_role,
    "password": _change_password,
    "erasure": lambda user, _: ErasureService.erase_own(user_id=user.pk, password=PASSWORD),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_ends_a_session_or_changes_a_role_is_told_to_the_sockets_of_the_account(
    change: Callable[[User, Credentials], object],
) -> None:
    user = UserFactory.create()
    credentials = signed_in(user)

    assert ACCOUNT_CHANGED in _told(user.pk, lambda: change(user, credentials))


def test_another_name_concerns_no_socket_and_nobody_is_told_of_anothers_account() -> None:
    user, other = UserFactory.create(), UserFactory.create()
    credentials = signed_in(user)

    def work() -> None:
        UserService.update(actor=user, user_id=user.pk, changes={"name": "Ada"})

    assert _told(user.pk, work) == []
    assert _told(other.pk, lambda: SessionService.logout(token=credentials.refresh)) == []


def test_what_was_rolled_back_is_not_told() -> None:
    user = UserFactory.create()
    signed_in(user)

    def work() -> None:
        with transaction.atomic():
            SessionService.logout_all(user_id=user.pk)
            transaction.set_rollback(True)

    assert _told(user.pk, work) == []
