from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.test import override_settings
from django.utils import timezone
from freezegun import freeze_time

from apps.common.enums import Role
from apps.users.exceptions import WrongCredentialsError
from apps.users.models import RefreshToken, Session, User
from apps.users.services import SessionService, UserService
from apps.users.tests.factories import PASSWORD, ModeratorFactory, UserFactory
from apps.users.tests.support import signed_in
from apps.users.types import Credentials
from infrastructure.origin import Origin, coming_from
from infrastructure.passwords import Argon2idHasher
from infrastructure.tokens import TokenService

pytestmark = pytest.mark.django_db


class CountingHasher(Argon2idHasher):
    """The project's hasher, which also counts how often it does its costly work."""

    work = 0

    def encode(self, password: str, salt: str) -> str:
        type(self).work += 1
        return str(super().encode(password, salt))

    def verify(self, password: str, encoded: str) -> bool:
        type(self).work += 1
        return bool(super().verify(password, encoded))


@pytest.fixture
def hasher() -> Iterator[type[CountingHasher]]:
    CountingHasher.work = 0
    with override_settings(PASSWORD_HASHERS=[f"{__name__}.{CountingHasher.__name__}"]):
        yield CountingHasher


def test_a_login_opens_a_session_and_stores_the_refresh_tokens_claims_but_no_token() -> None:
    user = ModeratorFactory.create()

    credentials = signed_in(user)

    session, stored = Session.objects.get(), RefreshToken.objects.get()
    access = TokenService.decode(credentials.access, expected_type="access")
    refresh = TokenService.decode(credentials.refresh, expected_type="refresh")
    assert (access.subject, access.session_id, access.role, access.version) == (user.pk, session.pk, "moderator", 1)
    assert (refresh.subject, refresh.session_id, refresh.role, refresh.version) == (user.pk, session.pk, None, 1)
    assert (stored.pk, stored.session_id, stored.used_at) == (refresh.token_id, session.pk, None)
    assert (credentials.expires_in, credentials.token_type) == (900, "Bearer")
    columns = str([*RefreshToken.objects.values(), *Session.objects.values()])
    assert credentials.refresh not in columns
    assert credentials.refresh.rpartition(".")[2] not in columns


def test_a_session_ends_after_thirty_days_and_its_refresh_token_after_seven() -> None:
    user = UserFactory.create()
    moment = datetime(2026, 3, 1, 12, tzinfo=UTC)
    with freeze_time(moment):
        UserService.login(email=user.email, password=PASSWORD)

    assert Session.objects.get().expires_at == moment + timedelta(days=30)
    assert RefreshToken.objects.get().expires_at == moment + timedelta(days=7)


@pytest.mark.parametrize("typed", ["ADA@EXAMPLE.COM", "ａｄａ@example.com", " Ada@Example.com "])
def test_any_spelling_of_the_address_signs_in(typed: str) -> None:
    user = UserFactory.create(email="ada@example.com")

    credentials = UserService.login(email=typed, password=PASSWORD)

    assert isinstance(credentials, Credentials)
    assert SessionService.resume(access=credentials.access).id == user.pk


@pytest.mark.parametrize("password", [PASSWORD[:-1], f"{PASSWORD} ", f" {PASSWORD}", PASSWORD.upper(), ""])
def test_a_password_that_is_nearly_right_is_wrong(password: str) -> None:
    user = UserFactory.create()

    with pytest.raises(WrongCredentialsError):
        UserService.login(email=user.email, password=password)

    assert not Session.objects.exists()


def test_an_inactive_account_cannot_log_in_with_the_right_password() -> None:
    user = UserFactory.create(is_active=False)

    with pytest.raises(WrongCredentialsError):
        UserService.login(email=user.email, password=PASSWORD)

    assert not Session.objects.exists()


def test_an_account_without_a_password_cannot_be_entered() -> None:
    user = User.objects.create_user("ada@example.com", name="Ada")

    with pytest.raises(WrongCredentialsError):
        UserService.login(email=user.email, password="")

    assert not Session.objects.exists()


@pytest.mark.parametrize("case", ["unknown", "wrong", "inactive", "inactive and wrong", "no password"])
def test_every_failed_login_costs_exactly_one_hash(case: str, hasher: type[CountingHasher]) -> None:
    user = UserFactory.create(is_active="inactive" not in case)
    if case == "no password":
        user.set_unusable_password()
        user.save()
    email = "nobody@example.com" if case == "unknown" else user.email
    hasher.work = 0

    with pytest.raises(WrongCredentialsError):
        UserService.login(email=email, password=PASSWORD if case == "inactive" else "not the one at all")

    assert hasher.work == 1


def test_a_bcrypt_hash_becomes_an_argon2id_hash_at_the_next_login() -> None:
    user = UserFactory.create(password=make_password(PASSWORD, hasher="bcrypt_sha256"))

    UserService.login(email=user.email, password=PASSWORD)

    user.refresh_from_db()
    assert user.password.startswith("argon2$argon2id$")
    assert user.check_password(PASSWORD)


def test_a_wrong_password_leaves_an_old_hash_as_it_is() -> None:
    old = make_password(PASSWORD, hasher="bcrypt_sha256")
    user = UserFactory.create(password=old)

    with pytest.raises(WrongCredentialsError):
        UserService.login(email=user.email, password="not the one at all")

    user.refresh_from_db()
    assert user.password == old


def test_a_hash_of_another_cost_is_replaced_at_the_next_login() -> None:
    user = UserFactory.create()
    with override_settings(ARGON2_TIME_COST=2):
        UserService.login(email=user.email, password=PASSWORD)

    user.refresh_from_db()
    assert ",t=2," in user.password


@pytest.mark.parametrize("changes", [{"is_active": False}, {"password": "another hash"}])
def test_no_session_opens_for_an_account_that_changed_after_its_password_was_verified(changes: dict[str, Any]) -> None:
    user = UserFactory.create()
    verified = user.password
    User.objects.filter(pk=user.pk).update(**changes)

    with pytest.raises(WrongCredentialsError):
        SessionService.open(user_id=user.pk, password_hash=verified)

    assert not Session.objects.exists()


def test_each_login_is_a_session_of_its_own() -> None:
    user = UserFactory.create(role=Role.USER)

    first = signed_in(user)
    second = signed_in(user)

    SessionService.logout(token=first.refresh)
    assert SessionService.resume(access=second.access).id == user.pk
    assert Session.objects.filter(ended_at=None, expires_at__gt=timezone.now()).count() == 1


def test_the_session_tells_where_it_was_opened() -> None:
    user = UserFactory.create()

    with coming_from(Origin("192.0.2.1", "curl/8.5")):
        UserService.login(email=user.email, password=PASSWORD)

    session = Session.objects.get()
    assert (session.address, session.user_agent) == ("192.0.2.1", "curl/8.5")
