"""Turning the second factor on and off: MfaService."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from pytest_django import Settings
from uuid6 import uuid7

from apps.common.exceptions import ForbiddenError, InvalidInputError, NotFoundError
from apps.common.tests.races import at_once
from apps.users.enums import Notice
from apps.users.exceptions import MfaOffError, MfaOnError, OwnMfaError
from apps.users.models import AuditEntry, MfaChallenge, RecoveryCode, TotpDevice, User
from apps.users.selectors import MfaSelector
from apps.users.services import MfaChallengeService, MfaService, UserService
from apps.users.tests.authenticator import Authenticator, with_authenticator
from apps.users.tests.factories import PASSWORD, AdminFactory, ModeratorFactory, UserFactory
from apps.users.tests.support import signed_in
from apps.users.types import Challenge, Credentials, MfaStatus
from infrastructure.queue.models import OutboxRow

pytestmark = pytest.mark.django_db

OFF = MfaStatus(enabled=False, recovery_codes_left=0)
ON = MfaStatus(enabled=True, recovery_codes_left=10)


def _set_up(user: User) -> Authenticator:
    """Return an app that knows the secret; nothing is confirmed yet."""
    return Authenticator(secret=MfaService.setup(user_id=user.pk, password=PASSWORD).secret, recovery_codes=[])


def _status(user: User) -> MfaStatus:
    return MfaSelector.status(user_id=user.pk)


def _told() -> list[Any]:
    return [row.payload["notice"] for row in OutboxRow.objects.order_by("created_at")]


def _audited() -> list[tuple[str, UUID | None]]:
    return list(AuditEntry.objects.order_by("created_at").values_list("action", "actor_id"))


def _everything() -> list[Any]:
    tables = (TotpDevice, RecoveryCode, MfaChallenge, AuditEntry, OutboxRow)
    return [list(table.objects.order_by("pk").values()) for table in tables]


def test_a_secret_is_encrypted_at_rest_and_asked_for_only_once_it_is_confirmed() -> None:
    user = UserFactory.create(email="ada@example.com")

    setup = MfaService.setup(user_id=user.pk, password=PASSWORD)

    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM totp_devices")
        (stored,) = cursor.fetchone()
    assert TotpDevice.objects.get().secret == setup.secret
    assert setup.secret not in stored
    assert f"secret={setup.secret}&" in setup.otpauth_uri
    assert "/Layerline:ada%40example.com?" in setup.otpauth_uri
    assert _status(user) == OFF
    assert (_told(), _audited()) == ([], [])
    assert isinstance(UserService.login(email=user.email, password=PASSWORD), Credentials)


def test_each_setup_makes_another_secret_until_one_is_confirmed() -> None:
    user = UserFactory.create()
    first, second = _set_up(user), _set_up(user)

    assert first.secret != second.secret
    with pytest.raises(InvalidInputError) as refused:
        MfaService.confirm(user_id=user.pk, password=PASSWORD, code=first.code())
    assert [(error.field, error.code) for error in refused.value.errors] == [("code", "wrong")]
    assert _status(user) == OFF
    assert len(MfaService.confirm(user_id=user.pk, password=PASSWORD, code=second.code())) == 10
    assert _status(user) == ON


def test_a_confirmed_code_turns_it_on_tells_the_owner_and_is_used_up() -> None:
    user = UserFactory.create()
    app = _set_up(user)

    MfaService.confirm(user_id=user.pk, password=PASSWORD, code=f" {app.code()[:3]} {app.code()[3:]} ")

    assert isinstance(UserService.login(email=user.email, password=PASSWORD), Challenge)
    assert (_told(), _audited()) == ([Notice.MFA_ENABLED], [("mfa_enabled", user.pk)])
    device = TotpDevice.objects.get()
    assert device.confirmed_at is not None
    assert device.last_step is not None


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "１２３４５６", "-1", "000000000000"])
def test_what_the_app_does_not_show_confirms_nothing(code: str) -> None:
    user = UserFactory.create()
    _set_up(user)
    before = _everything()

    with pytest.raises(InvalidInputError):
        MfaService.confirm(user_id=user.pk, password=PASSWORD, code=code)

    assert _everything() == before


def test_nothing_can_be_confirmed_or_renewed_before_it_is_set_up() -> None:
    user = UserFactory.create()

    with pytest.raises(MfaOffError):
        MfaService.confirm(user_id=user.pk, password=PASSWORD, code="123456")
    with pytest.raises(MfaOffError):
        MfaService.renew_recovery_codes(user_id=user.pk, password=PASSWORD)
    app = _set_up(user)
    with pytest.raises(MfaOffError):
        MfaService.renew_recovery_codes(user_id=user.pk, password=PASSWORD)
    assert app.secret
    assert _status(user) == OFF


def test_what_is_on_is_not_set_up_again_nor_confirmed_twice() -> None:
    user = UserFactory.create()
    app = with_authenticator(user)
    before = _everything()

    with pytest.raises(MfaOnError):
        MfaService.setup(user_id=user.pk, password=PASSWORD)
    with pytest.raises(MfaOnError):
        MfaService.confirm(user_id=user.pk, password=PASSWORD, code=app.code())

    assert _everything() == before


def test_ten_codes_of_eighty_bits_are_shown_once_and_stored_as_hashes() -> None:
    user = UserFactory.create()
    app = _set_up(user)

    codes = MfaService.confirm(user_id=user.pk, password=PASSWORD, code=app.code())

    assert len(set(codes)) == 10
    # Base32: five bits a character.
    assert {[len(group) for group in code.split("-")] == [4, 4, 4, 4] for code in codes} == {True}
    stored = str(list(RecoveryCode.objects.values()))
    assert not [code for code in codes if code in stored or code.replace("-", "") in stored.lower()]


def test_new_codes_void_the_old_ones_and_the_owner_is_told() -> None:
    user = UserFactory.create()
    app = with_authenticator(user)
    RecoveryCode.objects.filter(pk=RecoveryCode.objects.values("pk")[:1]).update(used_at=user.created_at)
    assert _status(user).recovery_codes_left == 9

    codes = MfaService.renew_recovery_codes(user_id=user.pk, password=PASSWORD)

    assert set(codes).isdisjoint(app.recovery_codes)
    assert _status(user) == ON
    assert RecoveryCode.objects.count() == 10
    assert (_told(), _audited()) == ([Notice.RECOVERY_CODES_RENEWED], [("recovery_codes_renewed", user.pk)])


def test_turned_off_nothing_is_left_of_it_and_the_password_is_enough_again() -> None:
    user, other = UserFactory.create(), UserFactory.create()
    with_authenticator(user)
    with_authenticator(other)
    UserService.login(email=user.email, password=PASSWORD)

    MfaService.disable(user_id=user.pk, password=PASSWORD)

    assert _status(user) == OFF
    assert signed_in(user).access
    assert (_told(), _audited()) == ([Notice.MFA_DISABLED], [("mfa_disabled", user.pk), ("signed_in", user.pk)])
    assert not MfaChallenge.objects.exists()
    assert _status(other) == ON


def test_turning_off_what_is_off_is_no_error_and_forgets_a_secret_that_was_not_confirmed() -> None:
    user = UserFactory.create()
    _set_up(user)

    for _ in range(2):
        MfaService.disable(user_id=user.pk, password=PASSWORD)

    assert not TotpDevice.objects.exists()
    assert (_told(), _audited()) == ([], [])


@pytest.mark.parametrize("password", ["", "not the one at all", f"{PASSWORD} "])
@pytest.mark.parametrize(
    "call",
    [
        lambda user, password: MfaService.setup(user_id=user.pk, password=password),
        lambda user, password: MfaService.confirm(user_id=user.pk, password=password, code="123456"),
        lambda user, password: MfaService.disable(user_id=user.pk, password=password),
        lambda user, password: MfaService.renew_recovery_codes(user_id=user.pk, password=password),
    ],
    ids=["setup", "confirm", "disable", "recovery"],
)
def test_none_of_it_goes_without_the_password(call: Callable[[User, str], object], password: str) -> None:
    user = UserFactory.create()
    with_authenticator(user)
    before = _everything()

    with pytest.raises(InvalidInputError) as refused:
        call(user, password)

    assert [(error.field, error.code) for error in refused.value.errors] == [("password", "wrong")]
    assert _everything() == before


def test_an_admin_turns_off_the_second_factor_of_another_who_is_told() -> None:
    admin, user = AdminFactory.create(), UserFactory.create()
    with_authenticator(user)

    for _ in range(2):
        MfaService.turn_off(actor=admin, user_id=user.pk)

    assert _status(user) == OFF
    assert (_told(), _audited()) == ([Notice.MFA_DISABLED], [("mfa_disabled", admin.pk)])
    assert AuditEntry.objects.get().account_id == user.pk


def test_nobody_else_does_and_an_admin_not_for_himself() -> None:
    admin, user = AdminFactory.create(), UserFactory.create()
    with_authenticator(user)
    with_authenticator(admin)
    before = _everything()

    for actor in (user, UserFactory.create(), ModeratorFactory.create()):
        with pytest.raises(ForbiddenError):
            MfaService.turn_off(actor=actor, user_id=user.pk)
    with pytest.raises(OwnMfaError):
        MfaService.turn_off(actor=admin, user_id=admin.pk)
    with pytest.raises(NotFoundError):
        MfaService.turn_off(actor=admin, user_id=uuid7())

    assert _everything() == before


def test_whoever_lost_the_encryption_key_can_still_get_rid_of_it(settings: Settings) -> None:
    users = UserFactory.create_batch(3)
    apps = [with_authenticator(user) for user in users]
    TotpDevice.objects.filter(user=users[2]).update(confirmed_at=None)
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    challenge = UserService.login(email=users[0].email, password=PASSWORD)

    assert isinstance(challenge, Challenge)
    assert MfaChallengeService.verify(token=challenge.mfa_token, code=apps[0].recovery_codes[0]).access
    MfaService.disable(user_id=users[0].pk, password=PASSWORD)
    MfaService.turn_off(actor=AdminFactory.create(), user_id=users[1].pk)
    MfaService.setup(user_id=users[2].pk, password=PASSWORD)

    assert TotpDevice.objects.get().user == users[2]


@pytest.mark.django_db(transaction=True)
def test_of_parallel_confirmations_with_one_code_one_gets_recovery_codes() -> None:
    user = UserFactory.create()
    code = _set_up(user).code()

    def confirm(_: int) -> list[str]:
        try:
            return MfaService.confirm(user_id=user.pk, password=PASSWORD, code=code)
        except MfaOnError:
            return []

    answers = at_once(10, confirm)

    assert sorted(len(answer) for answer in answers) == [0] * 9 + [10]
    assert _status(user) == ON
    assert _told() == [Notice.MFA_ENABLED]


@pytest.mark.django_db(transaction=True)
def test_parallel_setups_leave_one_secret_which_one_of_them_showed() -> None:
    user = UserFactory.create()

    secrets = at_once(10, lambda _: MfaService.setup(user_id=user.pk, password=PASSWORD).secret)

    assert TotpDevice.objects.get().secret in secrets
