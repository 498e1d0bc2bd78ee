"""How often whoever knows the password may guess: MfaChallengeService, over many logins and many at once."""

from datetime import UTC, datetime, timedelta

import pytest
from freezegun import freeze_time
from pytest_django import Settings
from structlog.testing import capture_logs

from apps.common.exceptions import AppException
from apps.common.tests.races import at_once
from apps.users.enums import Notice
from apps.users.exceptions import TooManyCodesError
from apps.users.models import AuditEntry, MfaChallenge, RecoveryCode, Session, User
from apps.users.services import MfaChallengeService, UserService
from apps.users.tests.authenticator import Authenticator, with_authenticator
from apps.users.tests.factories import PASSWORD, UserFactory
from apps.users.types import Challenge
from infrastructure.queue.models import OutboxRow

MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def _limits(settings: Settings) -> None:
    """Five wrong codes an hour and eight a day."""
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"mfa_codes": (5, 3_600), "mfa_codes_sustained": (8, 86_400)}


def _challenge(user: User) -> str:
    challenge = UserService.login(email=user.email, password=PASSWORD)
    assert isinstance(challenge, Challenge)
    return challenge.mfa_token


def _verify(token: str, code: str) -> str:
    """Return the code of what a try is refused with, or "in"."""
    try:
        MfaChallengeService.verify(token=token, code=code)
    except AppException as error:
        return error.code
    return "in"


def _guess(user: User, app: Authenticator, count: int) -> list[str]:
    """Try wrong codes, three for each login."""
    return [
        answer
        for start in range(0, count, 3)
        for token in [_challenge(user)]
        for answer in [_verify(token, app.wrong_code()) for _ in range(min(3, count - start))]
    ]


def _told() -> list[str]:
    return [row.payload["notice"] for row in OutboxRow.objects.all()]


@pytest.mark.django_db
@pytest.mark.usefixtures("_limits")
def test_new_logins_give_no_new_guesses() -> None:
    user = UserFactory.create()
    app = with_authenticator(user)

    with freeze_time(MOMENT):
        answers = _guess(user, app, 8)
        assert _verify(_challenge(user), app.code()) == "throttled"

    assert answers == ["authentication_failed"] * 5 + ["throttled"] * 3
    assert sum(MfaChallenge.objects.values_list("attempts", flat=True)) == 5
    assert not Session.objects.exists()


@pytest.mark.django_db
@pytest.mark.usefixtures("_limits")
def test_the_limit_of_one_account_is_not_anothers() -> None:
    user, other = UserFactory.create(), UserFactory.create()
    app, others_app = with_authenticator(user), with_authenticator(other)
    _guess(user, app, 6)

    assert _verify(_challenge(other), others_app.code()) == "in"


@pytest.mark.django_db
@pytest.mark.usefixtures("_limits")
def test_whoever_guesses_does_not_lock_the_owner_out() -> None:
    user = UserFactory.create()
    app = with_authenticator(user)
    _guess(user, app, 6)

    assert _verify(_challenge(user), app.code()) == "throttled"
    assert _verify(_challenge(user), "aaaa-bbbb-cccc-dddd") == "authentication_failed"
    assert _verify(_challenge(user), app.recovery_codes[0]) == "in"
    assert RecoveryCode.objects.filter(used_at=None).count() == 9


@pytest.mark.django_db
@pytest.mark.usefixtures("_limits")
def test_the_wait_is_told_to_the_second_and_over_then() -> None:
    user = UserFactory.create()
    app = with_authenticator(user)
    with freeze_time(MOMENT):
        _guess(user, app, 3)
    with freeze_time(MOMENT + timedelta(minutes=10)):
        _guess(user, app, 2)
        token = _challenge(user)
        with pytest.raises(TooManyCodesError) as refused:
            MfaChallengeService.verify(token=token, code=app.code())

    # Then the first three have left the hour.
    assert refused.value.retry_after == 50 * 60
    with freeze_time(MOMENT + HOUR - timedelta(seconds=1)):
        assert _verify(_challenge(user), app.code()) == "throttled"
    with freeze_time(MOMENT + HOUR):
        assert _verify(_challenge(user), app.code()) == "in"


@pytest.mark.django_db
@pytest.mark.usefixtures("_limits")
def test_a_day_has_a_limit_of_its_own() -> None:
    user = UserFactory.create()
    app = with_authenticator(user)
    with freeze_time(MOMENT):
        assert _guess(user, app, 6).count("authentication_failed") == 5
    with freeze_time(MOMENT + 2 * HOUR):
        assert _guess(user, app, 6).count("authentication_failed") == 3
        token = _challenge(user)
        with pytest.raises(TooManyCodesError) as refused:
            MfaChallengeService.verify(token=token, code=app.code())

    assert refused.value.retry_after == 22 * 3_600
    with freeze_time(MOMENT + 24 * HOUR):
        assert _verify(_challenge(user), app.code()) == "in"


@pytest.mark.django_db
@pytest.mark.usefixtures("_limits")
def test_the_clean_up_does_not_forget_what_was_guessed() -> None:
    user = UserFactory.create()
    app = with_authenticator(user)
    with freeze_time(MOMENT):
        _guess(user, app, 6)
        _challenge(user)
    with freeze_time(MOMENT + timedelta(minutes=4, seconds=59)):
        assert MfaChallengeService.purge_expired() == 0
    with freeze_time(MOMENT + timedelta(minutes=5)):
        # The one that was never tried.
        assert MfaChallengeService.purge_expired() == 1
        assert _verify(_challenge(user), app.code()) == "throttled"
    with freeze_time(MOMENT + timedelta(days=1, minutes=10)):
        assert MfaChallengeService.purge_expired() == 3
    assert not MfaChallenge.objects.exists()


@pytest.mark.django_db
@pytest.mark.usefixtures("_limits")
def test_the_owner_is_told_that_somebody_guesses_once_a_day() -> None:
    user = UserFactory.create()
    app = with_authenticator(user)
    # The database dates the entry, and its clock cannot be turned back.
    now = datetime.now(UTC)
    with capture_logs() as lines:
        with freeze_time(now):
            _guess(user, app, 4)
            assert _told() == []
            _guess(user, app, 9)
        with freeze_time(now + 2 * HOUR):
            _guess(user, app, 6)
        assert _told() == [Notice.MFA_FAILURES]
        with freeze_time(now + timedelta(days=2)):
            _guess(user, app, 6)

    assert _told() == [Notice.MFA_FAILURES] * 2
    assert set(AuditEntry.objects.values_list("action", "account_id")) == {("mfa_failures", user.pk)}
    assert [(line["event"], line["account_id"]) for line in lines] == [("mfa_codes_used_up", str(user.pk))] * 3


@pytest.mark.django_db(transaction=True)
def test_of_fifty_parallel_tries_with_one_good_code_exactly_one_opens_a_session() -> None:
    user = UserFactory.create()
    app = with_authenticator(user)
    token, code = _challenge(user), app.code()

    answers = at_once(50, lambda _: _verify(token, code))

    assert sorted(answers) == ["in"] + ["token_invalid"] * 49
    assert Session.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_parallel_logins_with_one_good_code_exactly_one_opens_a_session() -> None:
    user = UserFactory.create()
    app = with_authenticator(user)
    tokens, code = [_challenge(user) for _ in range(10)], app.code()

    answers = at_once(10, lambda number: _verify(tokens[number], code))

    assert sorted(answers) == ["authentication_failed"] * 9 + ["in"]
    assert Session.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_twenty_parallel_wrong_codes_five_are_tried() -> None:
    user = UserFactory.create()
    app = with_authenticator(user)
    token, wrong = _challenge(user), app.wrong_code()

    answers = at_once(20, lambda _: _verify(token, wrong))

    assert sorted(answers) == ["authentication_failed"] * 5 + ["token_invalid"] * 15
    assert MfaChallenge.objects.get().attempts == 5


@pytest.mark.django_db(transaction=True)
def test_of_two_parallel_uses_of_one_recovery_code_one_wins() -> None:
    user = UserFactory.create()
    app = with_authenticator(user)
    tokens = [_challenge(user) for _ in range(2)]

    answers = at_once(2, lambda number: _verify(tokens[number], app.recovery_codes[0]))

    assert sorted(answers) == ["authentication_failed", "in"]
    assert (Session.objects.count(), RecoveryCode.objects.filter(used_at=None).count()) == (1, 9)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_limits")
def test_parallel_guesses_over_many_logins_are_counted_together() -> None:
    user = UserFactory.create()
    app = with_authenticator(user)
    tokens, wrong = [_challenge(user) for _ in range(20)], app.wrong_code()

    answers = at_once(20, lambda number: _verify(tokens[number], wrong))

    assert sorted(answers) == ["authentication_failed"] * 5 + ["throttled"] * 15
    assert _told() == [Notice.MFA_FAILURES]
