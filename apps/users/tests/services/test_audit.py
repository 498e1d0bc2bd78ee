import pytest
import structlog

from apps.users.enums import AuditAction
from apps.users.models import AuditEntry
from apps.users.services import AuditService
from apps.users.tests.factories import AdminFactory, UserFactory
from infrastructure.origin import Origin, coming_from

pytestmark = pytest.mark.django_db


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
