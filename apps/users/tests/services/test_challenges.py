"""The second step of a login: MfaChallengeService."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from freezegun import freeze_time
from uuid6 import uuid7

from apps.common.exceptions import NotFoundError
from apps.users.enums import Notice
from apps.users.exceptions import TokenExpiredError, TokenInvalidError, WrongCodeError, WrongCredentialsError
from apps.users.models import AuditEntry, MfaChallenge, RecoveryCode, Session, TotpDevice, User
from apps.users.services import MfaChallengeService, MfaService, SessionService, UserService
from apps.users.tests.authenticator import Authenticator, with_authenticator
from apps.users.tests.factories import PASSWORD, AdminFactory, UserFactory
from apps.users.tests.support import signed_in
from apps.users.types import Challenge
from infrastructure.queue.models import OutboxRow
from infrastructure.tokens import MfaClaims, TokenService

pytestmark = pytest.mark.django_db

MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def user() -> User:
    return UserFactory.create(email="ada@example.com")


@pytest.fixture
def app(user: User) -> Authenticator:
    return with_authenticator(user)


def _challenge(user: User) -> str:
    """Return the token of a login whose password was right."""
    challenge = UserService.login(email=user.email, password=PASSWORD)
    assert isinstance(challenge, Challenge)
    return challenge.mfa_token


def _verify(token: str, code: str) -> type[Exception] | None:
    """Return what a try is refused with."""
    try:
        MfaChallengeService.verify(token=token, code=code)
    except (WrongCodeError, TokenInvalidError, TokenExpiredError) as error:
        return type(error)
    return None


def test_the_password_alone_opens_no_session(user: User, app: Authenticator) -> None:
    challenge = UserService.login(email=user.email, password=PASSWORD)

    assert isinstance(challenge, Challenge)
    assert (challenge.mfa_required, challenge.expires_in) == (True, 300)
    row = MfaChallenge.objects.get()
    claims = TokenService.decode_mfa(challenge.mfa_token)
    assert claims == MfaClaims(
        subject=user.pk, challenge_id=row.pk, issued_at=claims.issued_at, expires_at=row.expires_at
    )
    assert claims.expires_at - claims.issued_at == timedelta(minutes=5)
    assert (row.user_id, row.version, row.attempts, row.used_at) == (user.pk, 1, 0, None)
    assert not Session.objects.exists()


def test_a_wrong_password_learns_of_no_second_factor(user: User, app: Authenticator) -> None:
    with pytest.raises(WrongCredentialsError):
        UserService.login(email=user.email, password="not the one at all")

    assert not MfaChallenge.objects.exists()


def test_a_code_of_the_app_opens_the_session(user: User, app: Authenticator) -> None:
    credentials = MfaChallengeService.verify(token=_challenge(user), code=app.code())

    assert SessionService.resume(access=credentials.access).id == user.pk
    assert SessionService.refresh(token=credentials.refresh).access
    assert MfaChallenge.objects.get().used_at is not None
    assert not OutboxRow.objects.exists()


@pytest.mark.parametrize("spelling", ["{} {}", " {}{}\t", "{}-{}", "{}\u00a0{}"])
def test_a_code_may_be_typed_as_the_app_shows_it(user: User, app: Authenticator, spelling: str) -> None:
    code = app.code()

    assert _verify(_challenge(user), spelling.format(code[:3], code[3:])) is None


def test_a_recovery_code_opens_the_session_once_and_its_owner_is_told(user: User, app: Authenticator) -> None:
    code = app.recovery_codes[3]

    credentials = MfaChallengeService.verify(token=_challenge(user), code=code)

    assert SessionService.resume(access=credentials.access).id == user.pk
    assert RecoveryCode.objects.filter(used_at=None).count() == 9
    (entry,) = AuditEntry.objects.filter(action="recovery_code_used")
    assert (entry.account_id, entry.details) == (user.pk, {"left": 9})
    assert [row.payload["notice"] for row in OutboxRow.objects.all()] == [Notice.RECOVERY_CODE_USED]
    assert _verify(_challenge(user), code) is WrongCodeError
    assert _verify(_challenge(user), app.recovery_codes[4]) is None


@pytest.mark.parametrize("spell", [str.upper, lambda code: code.replace("-", ""), lambda code: code.replace("-", " ")])
def test_a_recovery_code_may_be_typed_in_any_spelling(
    user: User, app: Authenticator, spell: Callable[[str], str]
) -> None:
    assert _verify(_challenge(user), spell(app.recovery_codes[0])) is None


def test_a_code_of_another_account_is_wrong(user: User, app: Authenticator) -> None:
    other = with_authenticator(UserFactory.create())

    assert _verify(_challenge(user), other.recovery_codes[0]) is WrongCodeError
    assert _verify(_challenge(user), other.code()) is WrongCodeError
    assert RecoveryCode.objects.filter(used_at=None).count() == 20


@pytest.mark.parametrize(
    "code", ["", "0", "12345", "1234567", "１２３４５６", "-", "a" * 64, "\ud800", "\x00", "' OR 1=1"]
)
def test_whatever_else_is_sent_is_a_wrong_code_and_counts(user: User, app: Authenticator, code: str) -> None:
    token = _challenge(user)

    assert _verify(token, code) is WrongCodeError

    assert MfaChallenge.objects.get().attempts == 1
    assert not Session.objects.exists()


def test_what_the_database_holds_of_a_recovery_code_is_none(user: User, app: Authenticator) -> None:
    token = _challenge(user)

    for digest in RecoveryCode.objects.values_list("digest", flat=True)[:3]:
        assert _verify(token, digest) is WrongCodeError


def test_a_code_is_taken_once_whatever_the_login(user: User, app: Authenticator) -> None:
    with freeze_time(MOMENT):
        first, second, code = _challenge(user), _challenge(user), app.code()

        assert _verify(first, code) is None
        assert _verify(second, code) is WrongCodeError
        # An older one is over as well, and the next one is not.
        assert _verify(second, app.code(-1)) is WrongCodeError
        assert _verify(second, app.code(1)) is None
    assert Session.objects.count() == 2


@pytest.mark.parametrize(("steps", "taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_one_step_before_and_after_is_close_enough(user: User, app: Authenticator, steps: int, *, taken: bool) -> None:
    with freeze_time(MOMENT):
        assert (_verify(_challenge(user), app.code(steps)) is None) is taken


def test_the_code_that_turned_it_on_signs_nobody_in(user: User) -> None:
    with freeze_time(MOMENT):
        app = Authenticator(MfaService.setup(user_id=user.pk, password=PASSWORD).secret, [])
        MfaService.confirm(user_id=user.pk, password=PASSWORD, code=app.code())

        assert _verify(_challenge(user), app.code()) is WrongCodeError
        assert _verify(_challenge(user), app.code(1)) is None


def test_a_token_works_once(user: User, app: Authenticator) -> None:
    token = _challenge(user)
    assert _verify(token, app.recovery_codes[0]) is None

    assert _verify(token, app.recovery_codes[1]) is TokenInvalidError
    assert RecoveryCode.objects.filter(used_at=None).count() == 9
    assert Session.objects.count() == 1


def test_five_wrong_codes_are_tried_and_then_not_even_the_right_one(user: User, app: Authenticator) -> None:
    token = _challenge(user)

    tries = [_verify(token, app.wrong_code()) for _ in range(6)]

    assert tries == [WrongCodeError] * 5 + [TokenInvalidError]
    assert _verify(token, app.code()) is TokenInvalidError
    assert _verify(token, app.recovery_codes[0]) is TokenInvalidError
    assert MfaChallenge.objects.get().attempts == 5
    assert (TotpDevice.objects.get().last_step, Session.objects.count()) == (None, 0)


def test_the_fifth_try_may_be_the_right_one(user: User, app: Authenticator) -> None:
    token = _challenge(user)
    for _ in range(4):
        _verify(token, app.wrong_code())

    assert _verify(token, app.code()) is None


def test_a_login_has_five_minutes(user: User, app: Authenticator) -> None:
    with freeze_time(MOMENT):
        slow, too_slow = _challenge(user), _challenge(user)
    with freeze_time(MOMENT + timedelta(minutes=5, microseconds=-1)):
        assert _verify(slow, app.code()) is None
    with freeze_time(MOMENT + timedelta(minutes=5)):
        assert _verify(too_slow, app.code()) is TokenExpiredError


def _change_password(user: User) -> None:
    # As changing and resetting it do: the version rises with it.
    user.set_password("an entirely new password")
    user.token_version += 1
    user.save()


@pytest.mark.parametrize(
    "change",
    [
        _change_password,
        lambda user: SessionService.logout_all(user_id=user.pk),
        lambda user: UserService.deactivate(actor=AdminFactory.create(), user_id=user.pk),
        lambda user: MfaService.disable(user_id=user.pk, password=PASSWORD),
        lambda user: MfaService.turn_off(actor=AdminFactory.create(), user_id=user.pk),
    ],
    ids=["password", "logout-all", "deactivation", "disabled", "turned off"],
)
def test_a_login_is_over_once_the_account_has_moved_on(
    user: User, app: Authenticator, change: Callable[[User], None]
) -> None:
    token = _challenge(user)
    change(user)

    assert _verify(token, app.code()) is TokenInvalidError
    assert not Session.objects.exists()


def test_a_deactivated_account_stays_out_once_it_is_open_again(user: User, app: Authenticator) -> None:
    admin, token = AdminFactory.create(), _challenge(user)
    UserService.deactivate(actor=admin, user_id=user.pk)
    UserService.reactivate(actor=admin, user_id=user.pk)

    assert _verify(token, app.code()) is TokenInvalidError


def test_a_new_password_does_not_get_round_it(user: User, app: Authenticator) -> None:
    _change_password(user)

    assert isinstance(UserService.login(email=user.email, password="an entirely new password"), Challenge)


def test_tokens_of_other_kinds_and_of_nobody_complete_no_login(user: User, app: Authenticator) -> None:
    other = UserFactory.create()
    credentials = signed_in(other)
    now = timezone.now().replace(microsecond=0)

    def signed(**changes: Any) -> str:
        row = MfaChallenge.objects.get()
        claims = MfaClaims(subject=user.pk, challenge_id=row.pk, issued_at=now, expires_at=row.expires_at)
        return TokenService.mfa(claims=replace(claims, **changes))

    _challenge(user)
    for token in (credentials.access, credentials.refresh, "", "a.b.c"):
        assert _verify(token, app.code()) is TokenInvalidError
    for token in (signed(subject=uuid7()), signed(challenge_id=uuid7()), signed(subject=other.pk)):
        assert _verify(token, app.code()) is TokenInvalidError
    assert _verify(signed(), app.code()) is None


@pytest.mark.parametrize("changes", [{"is_active": False}, {"password": "another hash"}])
def test_no_login_goes_on_for_an_account_that_changed_after_its_password_was_verified(
    user: User, app: Authenticator, changes: dict[str, Any]
) -> None:
    verified = user.password
    User.objects.filter(pk=user.pk).update(**changes)

    with pytest.raises(WrongCredentialsError):
        MfaChallengeService.open(user_id=user.pk, password_hash=verified)

    assert not MfaChallenge.objects.exists()


def test_a_login_that_is_no_session_of_ours_uses_a_code_up_all_the_same(user: User, app: Authenticator) -> None:
    with freeze_time(MOMENT):
        MfaChallengeService.confirm(user_id=user.pk, code=app.code())

        with pytest.raises(WrongCodeError):
            MfaChallengeService.confirm(user_id=user.pk, code=app.code())
        assert _verify(_challenge(user), app.code()) is WrongCodeError
    assert [row.attempts for row in MfaChallenge.objects.order_by("pk")] == [1, 1]


def test_a_code_for_nobody_is_confirmed_by_nobody() -> None:
    with pytest.raises(NotFoundError):
        MfaChallengeService.confirm(user_id=uuid7(), code="123456")
