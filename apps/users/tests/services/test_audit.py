import json
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import pytest
import structlog
from pytest_django import Settings

from apps.common.exceptions import AppException
from apps.users.enums import AuditAction
from apps.users.exceptions import LastAdminError, WrongCredentialsError
from apps.users.models import AuditEntry, Session, User
from apps.users.services import AuditService, RegistrationService, SessionService, UserService
from apps.users.tests.factories import PASSWORD, AdminFactory, UserFactory
from apps.users.tests.support import redis_refusing, signed_in
from apps.users.types import Credentials
from infrastructure.origin import Origin, coming_from
from infrastructure.redis import RedisUnavailable

pytestmark = pytest.mark.django_db

PHONE: Final = "+442079460000"


def _entries(account_id: UUID) -> list[tuple[str, UUID | None, dict[str, Any]]]:
    """Return what is written of an account, the oldest first."""
    rows = AuditEntry.objects.filter(account_id=account_id).order_by("id")
    return list(rows.values_list("action", "actor_id", "details"))


def test_an_entry_tells_who_did_what_to_whom_from_where() -> None:
    admin, user = AdminFactory.create(), UserFactory.create()

    with coming_from(Origin("192.0.2.1", "curl/8.5")), structlog.contextvars.bound_contextvars(request_id="abc"):
        AuditService.record(action=AuditAction.UPDATED, account_id=user.pk, actor_id=admin.pk, fields=["role"])

    entry = AuditEntry.objects.get()
    assert (entry.action, entry.account_id, entry.actor_id) == ("updated", user.pk, admin.pk)
    assert (entry.address, entry.user_agent, entry.request_id) == ("192.0.2.1", "curl/8.5", "abc")
    assert entry.details == {"fields": ["role"]}


def test_without_an_actor_the_account_acted_itself() -> None:
    user = UserFactory.create()

    AuditService.record(action=AuditAction.SIGNED_IN, account_id=user.pk)

    entry = AuditEntry.objects.get()
    assert (entry.actor_id, entry.account_id) == (user.pk, user.pk)
    assert (entry.address, entry.user_agent, entry.request_id) == (None, "", "")


def test_a_life_leaves_one_entry_for_each_thing_done() -> None:
    admin = AdminFactory.create()
    user_id = UserService.register(email="ada@example.com", name="Ada", password=PASSWORD).id

    credentials = signed_in(User.objects.get(pk=user_id))
    session = {"session_id": str(Session.objects.get().pk)}
    credentials = SessionService.refresh(token=credentials.refresh)
    SessionService.resume(access=credentials.access)
    for _ in range(2):
        SessionService.logout(token=credentials.refresh)
    SessionService.logout_all(user_id=user_id)
    for _ in range(2):
        UserService.deactivate(actor=admin, user_id=user_id)
    for _ in range(2):
        UserService.reactivate(actor=admin, user_id=user_id)

    assert _entries(user_id) == [
        ("registered", user_id, {}),
        ("signed_in", user_id, session),
        ("signed_out", user_id, session),
        ("signed_out_everywhere", user_id, {}),
        ("deactivated", admin.pk, {}),
        ("reactivated", admin.pk, {}),
    ]


@pytest.mark.parametrize("taken", [True, False])
def test_a_silent_registration_is_told_of_the_account_that_has_the_address(settings: Settings, *, taken: bool) -> None:
    settings.REGISTRATION_DISCLOSES_TAKEN = False
    if taken:
        UserFactory.create(email="ada@example.com")

    RegistrationService.sign_up(email="ada@example.com", name="Ada", password=PASSWORD)

    user = User.objects.get(email="ada@example.com")
    assert _entries(user.pk) == [("registration_tried" if taken else "registered", user.pk, {})]


def test_a_change_is_told_by_the_names_of_its_fields_and_the_new_role_alone() -> None:
    admin, user = AdminFactory.create(), UserFactory.create(name="Ada", phone=PHONE)
    changes: list[dict[str, Any]] = [
        {"name": "Ada King", "phone": PHONE},
        {"phone": None, "name": "Ada Lovelace"},
        {"role": "moderator", "is_staff": True},
        {"role": "moderator", "name": "Ada Lovelace"},
    ]

    for change in changes:
        UserService.update(actor=admin, user_id=user.pk, changes=change)

    assert _entries(user.pk) == [
        ("updated", admin.pk, {"fields": ["name"]}),
        ("updated", admin.pk, {"fields": ["name", "phone"]}),
        ("updated", admin.pk, {"fields": ["is_staff", "role"], "role": "moderator"}),
    ]


@pytest.mark.parametrize(
    ("attempt", "refusal"),
    [
        (lambda user, _: UserService.login(email=user.email, password="wrong"), WrongCredentialsError),
        (lambda _, admin: UserService.update(actor=admin, user_id=admin.pk, changes={"role": "user"}), LastAdminError),
        (lambda user, admin: UserService.deactivate(actor=user, user_id=admin.pk), AppException),
        (lambda user, _: UserService.register(email=user.email, name="Eve", password=PASSWORD), AppException),
    ],
)
def test_what_was_refused_leaves_none(attempt: Callable[[Any, Any], object], refusal: type[Exception]) -> None:
    user, admin = UserFactory.create(), AdminFactory.create()

    with pytest.raises(refusal):
        attempt(user, admin)

    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("token", ["", "nonsense"])
def test_a_logout_that_ended_nothing_leaves_none(token: str) -> None:
    SessionService.logout(token=token)

    assert not AuditEntry.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_leaves_none() -> None:
    user, admin = UserFactory.create(), AdminFactory.create()

    with redis_refusing():
        for change in (
            lambda: UserService.update(actor=user, user_id=user.pk, changes={"name": "Eve"}),
            lambda: UserService.deactivate(actor=admin, user_id=user.pk),
            lambda: SessionService.logout_all(user_id=user.pk),
        ):
            with pytest.raises(RedisUnavailable):
                change()

    assert not AuditEntry.objects.exists()


def test_no_entry_holds_a_value_that_somebody_typed() -> None:
    typed: dict[str, Any] = {
        "email": "canary@example.com",
        "name": "Canary Islands",
        "phone": "+34922000111",
        "password": "yellow bird at dawn",
    }
    admin = AdminFactory.create()
    user = UserService.register(**typed)
    credentials = UserService.login(email=typed["email"], password=typed["password"])
    assert isinstance(credentials, Credentials)
    UserService.update(actor=admin, user_id=user.id, changes={"name": "Canary Wharf", "phone": "+442079460000"})
    UserService.update(actor=admin, user_id=user.id, changes={"role": "admin"})
    SessionService.logout(token=credentials.refresh)

    written = json.dumps(list(AuditEntry.objects.values()), default=str).lower()

    assert len(AuditEntry.objects.all()) == 5
    for value in (*typed.values(), "canary", "442079460000", credentials.access, credentials.refresh):
        assert value.lower() not in written
