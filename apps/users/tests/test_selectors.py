from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from apps.common.enums import Role
from apps.common.exceptions import NotFoundError
from apps.users.models import RecoveryCode, RefreshToken, Session, TotpDevice, User
from apps.users.selectors import (
    MfaSelector,
    SessionSelector,
    SigningKeySelector,
    UserSelector,
    account_cache,
    to_payload,
)
from apps.users.services import UserService
from apps.users.tests.authenticator import with_authenticator
from apps.users.tests.factories import AdminFactory, ModeratorFactory, UserFactory
from apps.users.tests.support import redis_contents, redis_refusing, signed_in
from apps.users.types import MfaStatus, OpenSession

PHONE = "+442079460000"


@pytest.mark.django_db(transaction=True)
def test_by_id_is_served_by_the_cache_the_second_time_and_is_the_same(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    user = ModeratorFactory.create(phone=PHONE, email_verified_at=datetime(2026, 1, 1, tzinfo=UTC))

    with django_assert_num_queries(1):
        cold = UserSelector.by_id(user_id=user.pk)
    with django_assert_num_queries(0):
        warm = UserSelector.by_id(user_id=user.pk)

    assert cold == warm == UserSelector.committed(user_id=user.pk)
    assert (warm.id, warm.email, warm.phone, warm.email_verified) == (user.pk, user.email, PHONE, True)
    assert isinstance(warm.id, UUID)
    assert warm.created_at == user.created_at


@pytest.mark.django_db(transaction=True)
def test_by_id_never_returns_another_users_row() -> None:
    users = UserFactory.create_batch(5)

    for _ in range(3):
        assert [UserSelector.by_id(user_id=user.pk).email for user in users] == [user.email for user in users]


@pytest.mark.django_db(transaction=True)
def test_the_cache_holds_neither_hash_nor_plaintext_phone_nor_token() -> None:
    user = UserFactory.create(phone=PHONE)
    pair = signed_in(user)
    account = UserSelector.by_id(user_id=user.pk)
    UserService.update(actor=AdminFactory.create(), user_id=user.pk, changes={"name": "Ada"})

    held = b"\n".join(value for value in redis_contents().values())

    assert str(user.pk).encode() in held
    assert account.phone_ciphertext
    for secret in (PHONE, PHONE[1:], user.password, "argon2", pair.access, pair.refresh):
        assert secret.encode() not in held


@pytest.mark.django_db
def test_an_account_tells_its_phone_and_shows_only_ciphertext() -> None:
    account = UserSelector.committed(user_id=UserFactory.create(phone=PHONE).pk)

    assert account.phone == PHONE
    assert PHONE not in repr(account)
    assert PHONE not in str(to_payload(account))
    assert not hasattr(account, "password")


@pytest.mark.django_db
def test_an_account_without_a_phone_has_none() -> None:
    assert UserSelector.committed(user_id=UserFactory.create().pk).phone is None


@pytest.mark.django_db
def test_an_unknown_id_is_not_found_and_leaves_nothing_in_the_cache() -> None:
    user_id = uuid4()

    with pytest.raises(NotFoundError):
        UserSelector.by_id(user_id=user_id)

    assert account_cache.look([user_id]).found == {}


@pytest.mark.django_db(transaction=True)
def test_without_redis_the_database_answers() -> None:
    user = UserFactory.create()

    with redis_refusing():
        assert UserSelector.by_id(user_id=user.pk).email == user.email


@pytest.mark.django_db
@pytest.mark.parametrize("typed", ["ada@example.com", "ADA@Example.com", " ａｄａ@example.com "])
def test_an_account_is_found_by_any_spelling_of_its_address(typed: str) -> None:
    user = UserFactory.create(email="ada@example.com")

    assert UserSelector.by_email(email=typed) == user
    assert UserSelector.email_exists(email=typed)
    assert UserSelector.by_email(email="bob@example.com") is None
    assert not UserSelector.email_exists(email="bob@example.com")


@pytest.mark.django_db
def test_the_active_ones_are_listed_without_the_closed() -> None:
    user = UserFactory.create()
    UserFactory.create(is_active=False)

    assert UserSelector.list_active() == [user]


@pytest.mark.django_db
def test_all_are_listed_newest_first() -> None:
    users = [UserFactory.create(), AdminFactory.create(), UserFactory.create(is_active=False)]

    accounts = [UserSelector.committed(user_id=user.pk) for user in users]
    assert list(UserSelector.listing()) == accounts[::-1]


@pytest.mark.django_db
def test_a_session_comes_with_its_account_in_one_query_and_to_its_owner_only(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    user, other = UserFactory.create(phone=PHONE), UserFactory.create()
    signed_in(user)
    session = Session.objects.get()

    with django_assert_num_queries(1):
        found = SessionSelector.open_with_account(session_id=session.pk, user_id=user.pk)

    assert found == (OpenSession(user.pk, session.expires_at), UserSelector.committed(user_id=user.pk))
    assert SessionSelector.open_with_account(session_id=session.pk, user_id=other.pk) is None
    assert SessionSelector.open_with_account(session_id=uuid4(), user_id=user.pk) is None
    Session.objects.update(ended_at=session.created_at)
    assert SessionSelector.open_with_account(session_id=session.pk, user_id=user.pk) is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("opened_from", "asked_for", "found"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64", True),
        (None, "unknown", False),
    ],
)
def test_the_network_of_an_open_session_is_known_by_any_spelling_of_its_account(
    opened_from: str | None,
    asked_for: str,
    found: bool,  # noqa: FBT001  # a case
) -> None:
    user = UserFactory.create(email="ada@example.com")
    expires_at = timezone.now() + timedelta(days=1)
    session = Session.objects.create(user=user, address=opened_from, expires_at=expires_at)

    assert SessionSelector.is_open_at(email="ADA@example.com", network=asked_for) is found
    assert not SessionSelector.is_open_at(email="bob@example.com", network=asked_for)
    Session.objects.filter(pk=session.pk).update(ended_at=timezone.now())
    assert not SessionSelector.is_open_at(email="ada@example.com", network=asked_for)


@pytest.mark.django_db
def test_a_second_factor_is_on_once_it_is_confirmed_and_its_unused_codes_are_counted() -> None:
    user, pending = UserFactory.create(), UserFactory.create()
    with_authenticator(user)
    TotpDevice.objects.create(user=pending, secret="not confirmed")
    RecoveryCode.objects.filter(pk=RecoveryCode.objects.values("pk")[:1]).update(used_at=timezone.now())

    assert MfaSelector.status(user_id=user.pk) == MfaStatus(enabled=True, recovery_codes_left=9)
    assert MfaSelector.status(user_id=pending.pk) == MfaStatus(enabled=False, recovery_codes_left=0)
    assert (MfaSelector.is_on(user_id=user.pk), MfaSelector.is_on(user_id=pending.pk)) == (True, False)


@pytest.mark.django_db
def test_a_key_is_in_use_until_the_last_token_it_signed_expires() -> None:
    user = UserFactory.create()
    for _ in range(2):
        signed_in(user)
    token, other = RefreshToken.objects.all()
    later, past = timezone.now() + timedelta(days=9), timezone.now()
    RefreshToken.objects.filter(pk=token.pk).update(expires_at=later, used_at=past)
    assert SigningKeySelector.in_use() == {"test": later}

    RefreshToken.objects.filter(pk=token.pk).update(key_id="old")
    RefreshToken.objects.filter(pk=other.pk).update(key_id="older", expires_at=past)

    assert SigningKeySelector.in_use() == {"old": later}


@pytest.mark.django_db
def test_a_row_and_a_cached_account_are_both_actors() -> None:
    user = AdminFactory.create()
    account = UserSelector.committed(user_id=user.pk)

    assert (account.id, account.role) == (user.id, user.role) == (user.pk, Role.ADMIN)
    assert account.is_authenticated
    assert not account.is_anonymous
    assert User.objects.get().email_verified == account.email_verified is False
