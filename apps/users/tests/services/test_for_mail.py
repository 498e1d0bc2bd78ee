from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import pytest
from django.utils import timezone
from freezegun import freeze_time
from uuid6 import uuid7

from apps.users.enums import LinkPurpose
from apps.users.models import User
from apps.users.services import LinkService
from apps.users.tests.factories import UserFactory

pytestmark = pytest.mark.django_db

VERIFY, CHANGE, RESET = LinkPurpose.VERIFY_EMAIL, LinkPurpose.CHANGE_EMAIL, LinkPurpose.RESET_PASSWORD
PENDING: Final = "ada.king@example.com"
LIVES: Final = {VERIFY: timedelta(days=3), CHANGE: timedelta(days=3), RESET: timedelta(hours=1)}


@pytest.fixture
def user() -> User:
    return UserFactory.create(email="ada@example.com", name="Ada", pending_email=PENDING)


@pytest.mark.parametrize(
    ("purpose", "to", "path"),
    [
        (VERIFY, "ada@example.com", "/verify-email"),
        (CHANGE, PENDING, "/confirm-email"),
        (RESET, "ada@example.com", "/reset-password"),
    ],
)
def test_a_link_leads_to_the_application_with_its_token_where_no_server_sees_it(
    user: User, purpose: LinkPurpose, to: str, path: str
) -> None:
    mail = LinkService.for_mail(purpose=purpose, user_id=user.pk, job_id=uuid7())

    assert mail is not None
    assert (mail.to, mail.name) == (to, "Ada")
    address, _, token = mail.link.partition("#token=")
    assert address == f"https://app.example.com{path}"
    assert len(token) == 86
    assert token not in repr(mail)


@pytest.mark.parametrize("purpose", LinkPurpose)
def test_a_job_that_is_tried_again_sends_the_same_link_and_another_job_another(
    user: User, purpose: LinkPurpose
) -> None:
    job_id = uuid7()

    first, again, other = (
        LinkService.for_mail(purpose=purpose, user_id=user.pk, job_id=job) for job in (job_id, job_id, uuid7())
    )

    assert first == again != other


@pytest.mark.parametrize("purpose", LinkPurpose)
def test_nobody_and_a_closed_account_get_none(user: User, purpose: LinkPurpose) -> None:
    user.is_active = False
    user.save()

    for user_id in (user.pk, uuid4()):
        assert LinkService.for_mail(purpose=purpose, user_id=user_id, job_id=uuid7()) is None


@pytest.mark.parametrize(
    ("purpose", "changes"), [(VERIFY, {"email_verified_at": timezone.now()}), (CHANGE, {"pending_email": None})]
)
def test_there_is_none_where_nothing_is_left_to_confirm(
    user: User, purpose: LinkPurpose, changes: dict[str, Any]
) -> None:
    User.objects.filter(pk=user.pk).update(**changes)

    assert LinkService.for_mail(purpose=purpose, user_id=user.pk, job_id=uuid7()) is None


@pytest.mark.parametrize("purpose", LinkPurpose)
def test_a_job_that_comes_too_late_sends_no_dead_link(user: User, purpose: LinkPurpose) -> None:
    job_id = uuid7()

    with freeze_time(timezone.now() + LIVES[purpose] - timedelta(seconds=5)):
        assert LinkService.for_mail(purpose=purpose, user_id=user.pk, job_id=job_id) is not None
    with freeze_time(timezone.now() + LIVES[purpose]):
        assert LinkService.for_mail(purpose=purpose, user_id=user.pk, job_id=job_id) is None
