from typing import Any, Final
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, Permission
from django.core import mail
from django.core.files.storage import default_storage
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from apps.common.enums import Role
from apps.common.exceptions import AppException, ForbiddenError, NotFoundError
from apps.common.models import IdempotencyKey
from apps.common.tests.races import at_once
from apps.users.enums import AuditAction, LinkPurpose, Notice
from apps.users.exceptions import (
    ErasedAccountError,
    LastAdminError,
    LinkInvalidError,
    OwnAccountError,
    SessionRevokedError,
    WrongCredentialsError,
    WrongPasswordError,
)
from apps.users.models import (
    AuditEntry,
    FormerAddress,
    MfaChallenge,
    RecoveryCode,
    RefreshToken,
    Session,
    TotpDevice,
    User,
)
from apps.users.selectors import UserSelector
from apps.users.services import (
    AuditService,
    AvatarService,
    EmailAddressService,
    ErasureService,
    NoticeService,
    PasswordService,
    SessionService,
    UserService,
)
from apps.users.tests.factories import PASSWORD, AdminFactory, ModeratorFactory, UserFactory
from apps.users.tests.pictures import png
from apps.users.tests.support import link_token, redis_contents, redis_refusing, row, run_jobs, signed_in
from infrastructure.origin import Origin, coming_from
from infrastructure.redis import RedisUnavailable

ADA: Final[dict[str, Any]] = {
    "email": "ada@example.com",
    "name": "Ada Lovelace",
    "phone": "+442079460000",
    "pending_email": "ada.king@example.com",
    "avatar": "avatars/1.webp",
}


def _erase(user: User, password: str = PASSWORD) -> None:
    ErasureService.erase_own(user_id=user.pk, password=password)


def _answer_kept_for(user: User) -> None:
    IdempotencyKey.objects.create(user_id=user.pk, route="r", digest="d", fingerprint="f", answer="Ada Lovelace")


def _everything_of(user: User) -> None:
    """Give the account a row in each table that can hold one."""
    UserService.login(email=user.email, password=PASSWORD)
    TotpDevice.objects.create(user=user, secret="JBSWY3DPEHPK3PXP")
    RecoveryCode.objects.create(user=user, digest="d" * 64)
    MfaChallenge.objects.create(user=user, version=1, expires_at=timezone.now())
    _answer_kept_for(user)
    user.groups.add(Group.objects.create(name="editors"))
    user.user_permissions.add(Permission.objects.all()[0])


@pytest.mark.django_db
def test_an_empty_row_stays() -> None:
    user = UserFactory.create(**ADA, email_verified_at=timezone.now(), last_login=timezone.now())
    before = timezone.now()

    _erase(user)

    user = User.objects.get()
    assert user.email.endswith("@erased.invalid")
    assert (user.name, user.phone, user.pending_email, user.avatar) == ("", None, None, "")
    assert (user.email_verified_at, user.last_login) == (None, None)
    assert (user.is_active, user.is_staff, user.is_superuser, user.role) == (False, False, False, Role.USER)
    assert not user.has_usable_password()
    assert user.erased_at is not None
    assert user.erased_at >= before


@pytest.mark.django_db
def test_everything_that_belongs_to_it_is_gone() -> None:
    user, other = UserFactory.create(), UserFactory.create()
    _everything_of(user)
    UserService.login(email=other.email, password=PASSWORD)
    _answer_kept_for(other)

    _erase(user)

    assert [session.user_id for session in Session.objects.all()] == [other.pk]
    assert [token.session.user_id for token in RefreshToken.objects.all()] == [other.pk]
    assert [key.user_id for key in IdempotencyKey.objects.all()] == [other.pk]
    for model in (TotpDevice, RecoveryCode, MfaChallenge):
        assert not model.objects.exists()
    user.refresh_from_db()
    assert not user.groups.exists()
    assert not user.user_permissions.exists()


@pytest.mark.django_db(transaction=True)
def test_neither_dump_tells_whose_it_was() -> None:
    user = UserFactory.create(**ADA)
    with coming_from(Origin("192.0.2.7", "AdasBrowser/1.0")):
        _everything_of(user)
        EmailAddressService.ask_change(user_id=user.pk, email="countess@example.com", password=PASSWORD)
    UserSelector.by_id(user_id=user.pk)

    with coming_from(Origin("192.0.2.7", "AdasBrowser/1.0")):
        _erase(user)

    with connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        held = ""
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            held += str(cursor.fetchall())
    held += str(redis_contents())
    for trace in ("ada@", "ada.king", "countess", "Lovelace", "192.0.2.7", "AdasBrowser", "argon2"):
        assert trace not in held
    assert str(user.pk) in held


@pytest.mark.django_db
def test_of_what_was_written_down_about_it_one_entry_stays_without_an_address() -> None:
    user, other = UserFactory.create(), UserFactory.create()
    with coming_from(Origin("192.0.2.7", "curl/8.5")):
        for account in (user, other):
            AuditService.record(action=AuditAction.SIGNED_IN, account_id=account.pk)
        _erase(user)

    entries = AuditEntry.objects.order_by("id")
    assert [(entry.action, entry.account_id, entry.address) for entry in entries] == [
        ("signed_in", other.pk, "192.0.2.7"),
        ("erased", user.pk, None),
    ]
    assert (entries[1].actor_id, entries[1].user_agent, entries[1].details) == (user.pk, "", {})


@pytest.mark.django_db
def test_what_it_did_to_others_stays_without_from_where() -> None:
    admin, _, other = AdminFactory.create(), AdminFactory.create(), UserFactory.create()
    with coming_from(Origin("192.0.2.7", "curl/8.5")):
        AuditService.record(action=AuditAction.UPDATED, account_id=other.pk, actor_id=admin.pk, fields=["role"])
    before = AuditEntry.objects.values().get()

    _erase(admin)

    assert AuditEntry.objects.values().get(account_id=other.pk) == before | {"address": None, "user_agent": ""}


@pytest.mark.django_db(transaction=True)
def test_the_trail_is_append_only_again_afterwards() -> None:
    user = UserFactory.create()

    with transaction.atomic():
        _erase(user)
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            AuditEntry.objects.all().delete()

    assert AuditEntry.objects.count() == 1


@pytest.mark.django_db
def test_nothing_signs_in_any_more() -> None:
    user = UserFactory.create(email="ada@example.com")
    pair = signed_in(user)
    links = {purpose: link_token(user.pk, purpose) for purpose in LinkPurpose}

    _erase(user)

    for call in (lambda: SessionService.resume(access=pair.access), lambda: SessionService.refresh(token=pair.refresh)):
        with pytest.raises(SessionRevokedError):
            call()
    for email in ("ada@example.com", User.objects.get().email):
        with pytest.raises(WrongCredentialsError):
            UserService.login(email=email, password=PASSWORD)
    with pytest.raises(LinkInvalidError):
        PasswordService.reset(token=links[LinkPurpose.RESET_PASSWORD], new="nine hundred lanterns")
    with pytest.raises(LinkInvalidError):
        EmailAddressService.verify(token=links[LinkPurpose.VERIFY_EMAIL])


@pytest.mark.django_db(transaction=True)
def test_the_cached_copy_is_as_empty_as_the_row() -> None:
    user = UserFactory.create(**ADA)
    UserSelector.by_id(user_id=user.pk)

    _erase(user)

    account = UserSelector.by_id(user_id=user.pk)
    assert (account.name, account.phone, account.avatar, account.is_active) == ("", None, "", False)
    assert account.email.endswith("@erased.invalid")


@pytest.mark.django_db
def test_the_address_is_free_again() -> None:
    _erase(UserFactory.create(email="ada@example.com"))

    assert UserService.register(email="ada@example.com", name="Ada", password=PASSWORD).email == "ada@example.com"


@pytest.mark.django_db
def test_two_erased_accounts_stand_side_by_side() -> None:
    for user in UserFactory.create_batch(2):
        _erase(user)

    assert User.objects.filter(erased_at__isnull=False).count() == 2


@pytest.mark.django_db
def test_an_erased_account_is_mailed_nothing_that_was_still_to_be_sent() -> None:
    user = UserFactory.create()
    with transaction.atomic():
        NoticeService.tell_owner(user_id=user.pk, notice=Notice.PASSWORD_CHANGED)
    EmailAddressService.ask_verification(user_id=user.pk)
    PasswordService.ask_reset(email=user.email)

    _erase(user)
    run_jobs()

    assert mail.outbox == []


@pytest.mark.django_db
def test_a_former_address_is_told_of_its_change_all_the_same() -> None:
    user = UserFactory.create(email="ada@example.com", pending_email="eve@example.com")
    EmailAddressService.verify(token=link_token(user.pk, LinkPurpose.CHANGE_EMAIL))

    # Whoever took the account over tries to cover it up.
    _erase(user)
    run_jobs()

    (message,) = mail.outbox
    assert (message.to, message.subject) == (["ada@example.com"], "Layerline: your address was changed")
    assert "Hello,\n" in str(message.body)
    assert not FormerAddress.objects.exists()


@pytest.mark.django_db
def test_a_wrong_password_erases_nothing() -> None:
    user = UserFactory.create(**ADA)
    _everything_of(user)
    before = row(user.pk)

    with pytest.raises(WrongPasswordError) as caught:
        _erase(user, "not the one at all")

    assert [(error.field, error.code) for error in caught.value.errors] == [("password", "wrong")]
    assert row(user.pk) == before
    assert Session.objects.count() == TotpDevice.objects.count() == 1
    assert not AuditEntry.objects.filter(action="erased").exists()


@pytest.mark.django_db
def test_the_last_active_admin_stays() -> None:
    admin = AdminFactory.create()
    AdminFactory.create(is_active=False)
    before = row(admin.pk)

    with pytest.raises(LastAdminError):
        _erase(admin)

    assert row(admin.pk) == before


@pytest.mark.django_db(transaction=True)
def test_of_two_admins_who_erase_themselves_at_once_one_stays() -> None:
    admins = AdminFactory.create_batch(2)

    def erase(number: int) -> str:
        try:
            _erase(admins[number])
        except AppException as error:
            return error.code
        return "erased"

    assert sorted(at_once(2, erase)) == ["conflict", "erased"]
    assert User.objects.active().by_role(Role.ADMIN).count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_refresh_beside_it_leaves_no_session_behind() -> None:
    for _ in range(5):
        user = UserFactory.create()
        pair = signed_in(user)

        def act(number: int, user: User = user, refresh: str = pair.refresh) -> str:
            try:
                _erase(user) if number == 0 else SessionService.refresh(token=refresh)
            except AppException as error:
                return error.code
            return "done"

        assert set(at_once(4, act)) <= {"done", "session_revoked"}
        assert not Session.objects.filter(user=user).exists()
        assert User.objects.get(pk=user.pk).erased_at is not None


@pytest.mark.django_db(transaction=True)
def test_without_redis_nothing_is_erased_since_a_cached_copy_would_outlive_it() -> None:
    user = UserFactory.create(**ADA)
    before = row(user.pk)

    with redis_refusing(), pytest.raises(RedisUnavailable):
        _erase(user)

    assert row(user.pk) == before


@pytest.mark.django_db
def test_an_admin_erases_somebody_else_and_once_more_is_no_error() -> None:
    admin, user = AdminFactory.create(), UserFactory.create(**ADA)

    ErasureService.erase(actor=admin, user_id=user.pk)
    after = row(user.pk)
    ErasureService.erase(actor=admin, user_id=user.pk)

    assert row(user.pk) == after
    assert after["name"] == ""
    entry = AuditEntry.objects.get(account_id=user.pk)
    assert (entry.action, entry.actor_id, entry.address) == ("erased", admin.pk, None)


@pytest.mark.django_db
def test_an_admin_does_not_erase_the_own_account_without_its_password() -> None:
    admin, _ = AdminFactory.create(), AdminFactory.create()
    before = row(admin.pk)

    with pytest.raises(OwnAccountError, match="You cannot erase your own account here"):
        ErasureService.erase(actor=admin, user_id=admin.pk)

    assert row(admin.pk) == before


@pytest.mark.django_db
def test_the_last_active_admin_is_not_erased_by_one_who_was_an_admin_a_moment_ago() -> None:
    admin, closed = AdminFactory.create(), AdminFactory.create(is_active=False)
    before = row(admin.pk)

    with pytest.raises(LastAdminError):
        ErasureService.erase(actor=closed, user_id=admin.pk)

    assert row(admin.pk) == before


@pytest.mark.django_db
@pytest.mark.parametrize("factory", [UserFactory, ModeratorFactory])
def test_nobody_but_an_admin_erases_somebody_else(factory: type[UserFactory]) -> None:
    actor, user = factory.create(), UserFactory.create()
    before = row(user.pk)

    with pytest.raises(ForbiddenError):
        ErasureService.erase(actor=actor, user_id=user.pk)

    assert row(user.pk) == before


@pytest.mark.django_db
def test_an_unknown_account_is_not_found() -> None:
    with pytest.raises(NotFoundError):
        ErasureService.erase(actor=AdminFactory.create(), user_id=uuid4())


@pytest.mark.django_db
def test_nothing_brings_it_back_or_changes_it() -> None:
    admin, user = AdminFactory.create(), UserFactory.create()
    _erase(user)
    before = row(user.pk)

    with pytest.raises(ErasedAccountError):
        UserService.reactivate(actor=admin, user_id=user.pk)
    for changes in ({"name": "Eve"}, {"role": Role.ADMIN}):
        with pytest.raises(ErasedAccountError):
            UserService.update(actor=admin, user_id=user.pk, changes=changes)
    # It is closed already.
    UserService.deactivate(actor=admin, user_id=user.pk)

    assert row(user.pk) == before


@pytest.mark.django_db
@pytest.mark.parametrize(
    "changes",
    [
        {"is_active": True},
        {"role": Role.MODERATOR},
        {"is_staff": True},
        {"name": "Ada"},
        {"phone": "+442079460000"},
        {"pending_email": "ada@example.com"},
        {"avatar": "a.webp"},
        {"email_verified_at": timezone.now()},
    ],
)
def test_the_database_itself_keeps_it_empty(changes: dict[str, Any]) -> None:
    user = UserFactory.create()
    _erase(user)

    with pytest.raises(IntegrityError, match="users_erased_is_nobody"), transaction.atomic():
        User.objects.filter(pk=user.pk).update(**changes)


@pytest.mark.django_db
def test_it_is_in_no_list() -> None:
    kept, closed, gone = UserFactory.create(), UserFactory.create(is_active=False), UserFactory.create()
    _erase(gone)

    assert {account.id for account in UserSelector.listing()} == {kept.pk, closed.pk}


@pytest.mark.django_db(transaction=True)
def test_its_picture_goes_with_it() -> None:
    user = UserFactory.create()
    key = AvatarService.replace(user_id=user.pk, content=png()).avatar

    ErasureService.erase_own(user_id=user.pk, password=PASSWORD)
    run_jobs()

    assert row(user.pk)["avatar"] == ""
    assert not default_storage.exists(key)
