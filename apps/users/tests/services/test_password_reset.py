from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from django.core import mail
from django.utils import timezone
from freezegun import freeze_time
from uuid6 import uuid7

from apps.common.exceptions import InvalidInputError
from apps.common.tests.races import at_once
from apps.users.enums import LinkPurpose
from apps.users.exceptions import LinkExpiredError, LinkInvalidError, SessionRevokedError, WrongCredentialsError
from apps.users.models import AuditEntry, MfaChallenge, Session, User
from apps.users.services import PasswordService, SessionService, UserService
from apps.users.tests.factories import PASSWORD, AdminFactory, UserFactory
from apps.users.tests.support import link_in, link_token, mailed_token, redis_contents, row, run_jobs, signed_in
from apps.users.types import Credentials
from infrastructure.queue.models import OutboxRow

NEW: Final = "nine hundred lanterns"
RESET: Final = LinkPurpose.RESET_PASSWORD


def _outcome(token: str, new: str = NEW) -> str:
    """Return the code of what became of a try."""
    try:
        PasswordService.reset(token=token, new=new)
    except InvalidInputError as error:
        return ", ".join(f"{each.field} {each.code}" for each in error.errors)
    return "reset"


@pytest.mark.django_db
def test_a_forgotten_password_is_replaced_by_way_of_a_mail() -> None:
    user = UserFactory.create(email="ada@example.com")

    PasswordService.ask_reset(email="ADA@Example.com")
    token = mailed_token("ada@example.com")
    PasswordService.reset(token=token, new=NEW)

    assert mail.outbox[0].subject == "Layerline: choose a new password"
    assert link_in(mail.outbox[0]).startswith("https://app.example.com/reset-password#token=")
    user.refresh_from_db()
    assert user.check_password(NEW)
    assert user.token_version == 2


@pytest.mark.django_db
def test_every_session_ends_and_none_is_opened() -> None:
    user = UserFactory.create()
    pairs = [signed_in(user) for _ in range(2)]

    PasswordService.reset(token=link_token(user.pk, RESET), new=NEW)

    for pair in pairs:
        with pytest.raises(SessionRevokedError):
            SessionService.resume(access=pair.access)
        with pytest.raises(SessionRevokedError):
            SessionService.refresh(token=pair.refresh)
    assert Session.objects.count() == 2
    assert not Session.objects.filter(ended_at=None).exists()


@pytest.mark.django_db
def test_a_login_that_waits_for_its_code_must_begin_anew() -> None:
    user = UserFactory.create()
    challenge = MfaChallenge.objects.create(user=user, version=user.token_version, expires_at=timezone.now())

    PasswordService.reset(token=link_token(user.pk, RESET), new=NEW)

    assert challenge.version < User.objects.get().token_version


@pytest.mark.django_db
def test_the_owner_is_told_and_it_is_written_down() -> None:
    user = UserFactory.create()

    PasswordService.reset(token=link_token(user.pk, RESET), new=NEW)

    entry = AuditEntry.objects.get(action="password_reset")
    assert (entry.account_id, entry.actor_id, entry.details) == (user.pk, user.pk, {})
    job = OutboxRow.objects.get()
    assert (job.name, job.payload) == (
        "users.send_security_notice",
        {"user_id": str(user.pk), "notice": "password_changed"},
    )


@pytest.mark.django_db
def test_a_link_works_once() -> None:
    token = link_token(UserFactory.create().pk, RESET)

    assert [_outcome(token), _outcome(token, "another thousand lamps")] == ["reset", "token invalid"]
    assert User.objects.get().check_password(NEW)


@pytest.mark.django_db
def test_a_link_works_once_even_if_the_password_stays_the_same() -> None:
    token = link_token(UserFactory.create().pk, RESET)

    assert [_outcome(token, PASSWORD), _outcome(token, PASSWORD)] == ["reset", "token invalid"]


@pytest.mark.django_db
def test_a_link_works_for_an_hour() -> None:
    user = UserFactory.create()
    token = link_token(user.pk, RESET)
    before = row(user.pk)

    with freeze_time(timezone.now() + timedelta(hours=1)), pytest.raises(LinkExpiredError) as caught:
        PasswordService.reset(token=token, new=NEW)

    assert [(error.field, error.code) for error in caught.value.errors] == [("token", "expired")]
    assert row(user.pk) == before
    with freeze_time(timezone.now() + timedelta(minutes=59)):
        assert _outcome(token) == "reset"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "changes",
    [
        {"email": "ada.king@example.com"},
        {"password": "another hash"},
        {"token_version": 2},
        {"is_active": False},
    ],
)
def test_a_link_is_dead_once_what_it_is_bound_to_has_changed(changes: dict[str, Any]) -> None:
    user = UserFactory.create()
    token = link_token(user.pk, RESET)
    User.objects.update(**changes)
    before = row(user.pk)

    with pytest.raises(LinkInvalidError):
        PasswordService.reset(token=token, new=NEW)

    assert row(user.pk) == before


@pytest.mark.django_db
def test_deactivation_kills_a_link_for_good() -> None:
    admin, user = AdminFactory.create(), UserFactory.create()
    token = link_token(user.pk, RESET)

    UserService.deactivate(actor=admin, user_id=user.pk)
    UserService.reactivate(actor=admin, user_id=user.pk)

    assert _outcome(token) == "token invalid"


@pytest.mark.django_db
@pytest.mark.parametrize("purpose", [LinkPurpose.VERIFY_EMAIL, LinkPurpose.CHANGE_EMAIL])
def test_the_link_of_another_purpose_resets_nothing(purpose: LinkPurpose) -> None:
    user = UserFactory.create(pending_email="ada.king@example.com")
    token = link_token(user.pk, purpose)

    assert token
    assert _outcome(token) == "token invalid"


@pytest.mark.django_db
def test_a_link_for_one_account_opens_no_other() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    token, other = link_token(ada.pk, RESET), link_token(bob.pk, RESET)
    before = row(bob.pk)

    # Ids of one token and the signature of another.
    assert _outcome(other[:43] + token[43:]) == "token invalid"
    assert row(bob.pk) == before


@pytest.mark.django_db
@pytest.mark.parametrize("new", ["short-1", "password123", "8472910563", "ada.lovelace@example.com"])
def test_a_bad_password_is_refused_and_the_link_still_works(new: str) -> None:
    user = UserFactory.create(email="ada.lovelace@example.com")
    token = link_token(user.pk, RESET)
    before = row(user.pk)

    assert _outcome(token, new).startswith("new password_")

    assert row(user.pk) == before
    assert _outcome(token) == "reset"


@pytest.mark.django_db
@pytest.mark.parametrize("token", ["", "x", "A" * 86, "A" * 10_000, "é" * 86])
def test_what_is_no_token_is_invalid(token: str) -> None:
    assert _outcome(token) == "token invalid"


@pytest.mark.django_db
def test_asking_is_the_same_job_for_a_known_an_unknown_and_a_closed_account() -> None:
    known, closed = UserFactory.create(), UserFactory.create(is_active=False)

    for email in (known.email, closed.email, "nobody@example.com"):
        PasswordService.ask_reset(email=email)

    jobs = OutboxRow.objects.order_by("id")
    assert {job.name for job in jobs} == {"users.send_password_reset"}
    assert [set(job.payload) for job in jobs] == [{"user_id"}] * 3
    ids = [UUID(job.payload["user_id"]) for job in jobs]
    assert ids[:2] == [known.pk, closed.pk]
    # One that looks the same, and is nobody's.
    assert ids[2].version == known.pk.version
    assert not User.objects.filter(pk=ids[2]).exists()

    run_jobs()
    assert [message.to for message in mail.outbox] == [[known.email]]
    assert set(OutboxRow.objects.values_list("state", flat=True)) == {"done"}


@pytest.mark.django_db
def test_asking_changes_neither_the_account_nor_its_sessions() -> None:
    user = UserFactory.create()
    pair = signed_in(user)
    before = row(user.pk)

    PasswordService.ask_reset(email=user.email)
    run_jobs()

    assert row(user.pk) == before
    assert SessionService.resume(access=pair.access).id == user.pk


@pytest.mark.django_db(transaction=True)
def test_neither_database_nor_redis_holds_the_token() -> None:
    user = UserFactory.create()
    PasswordService.ask_reset(email=user.email)

    token = mailed_token(user.email)

    rows = [*OutboxRow.objects.values(), *User.objects.values(), *AuditEntry.objects.values()]
    held = f"{rows} {redis_contents()}"
    assert token not in held
    assert token[43:] not in held


@pytest.mark.django_db(transaction=True)
def test_of_two_uses_at_once_one_wins() -> None:
    user = UserFactory.create()
    token = link_token(user.pk, RESET)

    outcomes = at_once(5, lambda number: _outcome(token, f"{NEW} {number}"))

    user.refresh_from_db()
    assert sorted(outcomes) == ["reset"] + ["token invalid"] * 4
    assert user.check_password(f"{NEW} {outcomes.index('reset')}")
    assert user.token_version == 2
    assert OutboxRow.objects.count() == 1


@pytest.mark.django_db
def test_the_old_password_no_longer_signs_in() -> None:
    user = UserFactory.create()
    PasswordService.reset(token=link_token(user.pk, RESET), new=NEW)

    with pytest.raises(WrongCredentialsError):
        UserService.login(email=user.email, password=PASSWORD)
    assert isinstance(UserService.login(email=user.email, password=NEW), Credentials)


@pytest.mark.django_db
def test_an_account_without_a_password_may_get_one_by_mail() -> None:
    user = User.objects.create_user("ada@example.com", name="Ada")

    assert _outcome(link_token(user.pk, RESET)) == "reset"


@pytest.mark.django_db
def test_a_job_for_nobody_is_done_at_once() -> None:
    PasswordService.ask_reset(email=f"{uuid7()}@example.com")

    run_jobs()

    assert OutboxRow.objects.get().state == "done"
    assert mail.outbox == []
