from datetime import timedelta
from typing import Final

import pytest
from django.contrib.auth.hashers import make_password
from django.utils import timezone

from apps.common.exceptions import AppException, InvalidInputError
from apps.common.tests.races import at_once
from apps.users.enums import LinkPurpose
from apps.users.exceptions import LinkInvalidError, SessionRevokedError, WrongCredentialsError
from apps.users.models import AuditEntry, RefreshToken, Session, User
from apps.users.services import EmailAddressService, PasswordService, SessionService, UserService
from apps.users.tests.factories import PASSWORD, UserFactory
from apps.users.tests.support import link_token, redis_refusing, row
from apps.users.types import Credentials
from infrastructure.queue.models import OutboxRow
from infrastructure.redis import RedisUnavailable
from infrastructure.tokens import TokenService

NEW: Final = "nine hundred lanterns"


def _login(user: User, password: str = PASSWORD) -> Credentials:
    credentials = UserService.login(email=user.email, password=password)
    assert isinstance(credentials, Credentials)
    return credentials


def _change(user: User, access: str, *, current: str = PASSWORD, new: str = NEW) -> Credentials:
    session_id = TokenService.decode(access, expected_type="access").session_id
    return PasswordService.change(user_id=user.pk, session_id=session_id, current=current, new=new)


def _errors(user: User, access: str, **passwords: str) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInputError) as caught:
        _change(user, access, **passwords)
    return [(error.field, error.code) for error in caught.value.errors]


@pytest.mark.django_db
def test_the_new_password_signs_in_and_the_old_one_no_longer() -> None:
    user = UserFactory.create()

    _change(user, _login(user).access)

    assert _login(user, NEW).access
    with pytest.raises(WrongCredentialsError):
        _login(user)


@pytest.mark.django_db
def test_the_same_session_goes_on_with_the_new_pair_alone() -> None:
    user = UserFactory.create()
    old = _login(user)

    new = _change(user, old.access)

    session = Session.objects.get()
    claims = TokenService.decode(new.refresh, expected_type="refresh")
    assert (claims.session_id, claims.version, session.ended_at) == (session.pk, 2, None)
    assert SessionService.resume(access=new.access).id == user.pk
    for call in (lambda: SessionService.resume(access=old.access), lambda: SessionService.refresh(token=old.refresh)):
        with pytest.raises(SessionRevokedError):
            call()
    assert SessionService.refresh(token=new.refresh).access
    assert RefreshToken.objects.filter(session=session).count() == 3


@pytest.mark.django_db
def test_every_other_session_of_the_user_ends_and_nobody_elses() -> None:
    user, other = UserFactory.create(), UserFactory.create()
    mine, elsewhere, others = _login(user), _login(user), _login(other)

    _change(user, mine.access)

    with pytest.raises(SessionRevokedError):
        SessionService.resume(access=elsewhere.access)
    with pytest.raises(SessionRevokedError):
        SessionService.refresh(token=elsewhere.refresh)
    assert SessionService.resume(access=others.access).id == other.pk
    assert Session.objects.filter(user=user, ended_at=None).count() == 1


@pytest.mark.django_db
def test_the_owner_is_told_and_it_is_written_down_without_a_word_of_either_password() -> None:
    user = UserFactory.create()

    _change(user, _login(user).access)

    entry = AuditEntry.objects.get(action="password_changed")
    job = OutboxRow.objects.get(name="users.send_security_notice")
    assert (entry.account_id, entry.actor_id, entry.details) == (user.pk, user.pk, {})
    assert job.payload == {"user_id": str(user.pk), "notice": "password_changed"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("passwords", "error"),
    [
        ({"current": "not the one at all"}, ("current", "wrong")),
        ({"current": "not the one at all", "new": "short"}, ("current", "wrong")),
        ({"current": f"{PASSWORD} "}, ("current", "wrong")),
        ({"new": PASSWORD}, ("new", "unchanged")),
        ({"new": "short-1"}, ("new", "password_too_short")),
        ({"new": "password123"}, ("new", "password_too_common")),
        ({"new": "ada.lovelace@example.com"}, ("new", "password_too_similar")),
    ],
)
def test_a_wrong_or_bad_password_is_named_by_its_field_and_nothing_changes(
    passwords: dict[str, str], error: tuple[str, str]
) -> None:
    user = UserFactory.create(email="ada.lovelace@example.com")
    mine, elsewhere = _login(user), _login(user)
    before = row(user.pk)

    assert _errors(user, mine.access, **passwords) == [error]

    assert row(user.pk) == before
    assert SessionService.resume(access=elsewhere.access).id == user.pk
    assert not OutboxRow.objects.exists()
    assert not AuditEntry.objects.filter(action="password_changed").exists()


@pytest.mark.django_db
@pytest.mark.parametrize("over", [{"ended_at": timezone.now()}, {"expires_at": timezone.now()}])
def test_a_session_that_ended_meanwhile_changes_nothing(over: dict[str, object]) -> None:
    user = UserFactory.create()
    access = _login(user).access
    Session.objects.update(**over)
    before = row(user.pk)

    with pytest.raises(SessionRevokedError):
        _change(user, access)

    assert row(user.pk) == before
    assert not OutboxRow.objects.exists()


@pytest.mark.django_db
def test_the_session_of_somebody_else_is_not_renewed() -> None:
    user, other = UserFactory.create(), UserFactory.create()
    before = row(user.pk)

    with pytest.raises(SessionRevokedError):
        _change(user, _login(other).access)

    assert row(user.pk) == before


@pytest.mark.django_db
def test_the_renewed_session_ends_when_it_would_have_ended() -> None:
    user = UserFactory.create()
    access = _login(user).access
    end = timezone.now().replace(microsecond=0) + timedelta(hours=1)
    Session.objects.update(expires_at=end)

    refresh = _change(user, access).refresh

    assert Session.objects.get().expires_at == end
    assert TokenService.decode(refresh, expected_type="refresh").expires_at == end


@pytest.mark.django_db
def test_links_that_were_mailed_before_are_dead_and_a_pending_address_is_forgotten() -> None:
    user = UserFactory.create(pending_email="eve@example.com")
    verify, confirm, reset = (link_token(user.pk, purpose) for purpose in LinkPurpose)

    _change(user, _login(user).access)

    user.refresh_from_db()
    assert (user.pending_email, user.email_verified_at) == (None, None)
    for token in (verify, confirm):
        with pytest.raises(LinkInvalidError):
            EmailAddressService.verify(token=token)
    with pytest.raises(LinkInvalidError):
        PasswordService.reset(token=reset, new="a third one of them")


@pytest.mark.django_db
def test_a_hash_that_is_being_upgraded_does_not_bring_the_old_password_back() -> None:
    user = UserFactory.create(password=make_password(PASSWORD, hasher="bcrypt_sha256"))
    access = _login(user).access
    User.objects.filter(pk=user.pk).update(password=make_password(PASSWORD, hasher="bcrypt_sha256"))

    _change(user, access)

    user.refresh_from_db()
    assert user.password.startswith("argon2$argon2id$")
    assert user.check_password(NEW)


@pytest.mark.django_db(transaction=True)
def test_of_two_changes_at_once_one_wins() -> None:
    user = UserFactory.create()
    accesses = [_login(user).access for _ in range(2)]

    def change(number: int) -> str:
        try:
            _change(user, accesses[number], new=f"{NEW} {number}")
        except AppException as error:
            return error.code
        return "changed"

    outcomes = at_once(2, change)

    user.refresh_from_db()
    assert outcomes.count("changed") == 1
    assert user.token_version == 2
    assert user.check_password(f"{NEW} {outcomes.index('changed')}")
    assert OutboxRow.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_logins_with_the_old_hash_beside_the_change_do_not_undo_it() -> None:
    user = UserFactory.create()
    access = _login(user).access
    # Each login would replace it by an Argon2id hash of the old password.
    User.objects.filter(pk=user.pk).update(password=make_password(PASSWORD, hasher="bcrypt_sha256"))

    def act(number: int) -> str:
        try:
            _change(user, access) if number == 0 else _login(user)
        except AppException as error:
            return error.code
        return "done"

    outcomes = at_once(4, act)

    user.refresh_from_db()
    # The change itself may lose to an upgrade of the hash, and then says so.
    assert user.check_password(NEW if outcomes[0] == "done" else PASSWORD)


@pytest.mark.django_db(transaction=True)
def test_without_redis_nothing_changes_since_sessions_must_end_at_once() -> None:
    user = UserFactory.create()
    access = _login(user).access
    before = row(user.pk)

    with redis_refusing(), pytest.raises(RedisUnavailable):
        _change(user, access)

    assert row(user.pk) == before
