from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.contrib.messages.storage.fallback import FallbackStorage
from django.http import HttpRequest
from django.test import RequestFactory
from django.utils import timezone

from apps.users.tests.factories import UserFactory
from infrastructure.queue.admin import OutboxRowAdmin
from infrastructure.queue.models import OutboxRow, OutboxState


@pytest.fixture
def page() -> OutboxRowAdmin:
    page = admin.site.get_model_admin(OutboxRow)
    assert isinstance(page, OutboxRowAdmin)
    return page


def test_shows_rows_and_lets_nobody_change_them(page: OutboxRowAdmin, rf: RequestFactory) -> None:
    request = rf.get("/")
    assert not page.has_add_permission(request)
    assert not page.has_change_permission(request)
    assert not page.has_delete_permission(request)
    assert page.list_filter == ["state", "name", "created_at"]


@pytest.mark.django_db
def test_tells_how_old_a_row_is(page: OutboxRowAdmin) -> None:
    row = OutboxRow.objects.create(name="tests.note", payload={}, created_at=timezone.now() - timedelta(seconds=90.5))
    assert page.age(row) == timedelta(seconds=90)
    assert str(row) == f"tests.note {row.id} (pending)"


@pytest.fixture
def operator(rf: RequestFactory) -> Callable[[str], HttpRequest]:
    """A function that gives a request of somebody who has a permission."""

    def request(permission: str) -> HttpRequest:
        user = UserFactory.create(is_staff=True)
        user.user_permissions.add(Permission.objects.get(codename=permission))
        request = rf.post("/")
        request.user = user
        vars(request)["session"] = {}
        vars(request)["_messages"] = FallbackStorage(request)
        return request

    return request


@pytest.mark.django_db
def test_actions_are_for_those_who_may_change_rows(
    page: OutboxRowAdmin, operator: Callable[[str], HttpRequest]
) -> None:
    assert set(page.get_actions(operator("view_outboxrow"))) == set()
    assert set(page.get_actions(operator("change_outboxrow"))) == {"replay", "discard"}


@pytest.mark.django_db
def test_an_action_tells_how_many_rows_it_reached(page: OutboxRowAdmin, operator: Callable[[str], HttpRequest]) -> None:
    request = operator("change_outboxrow")
    OutboxRow.objects.create(name="tests.note", payload={}, state=OutboxState.PENDING)
    OutboxRow.objects.create(name="tests.note", payload={}, state=OutboxState.PUBLISHED)

    page.discard(request, OutboxRow.objects.all())
    page.replay(request, OutboxRow.objects.filter(state=OutboxState.DEAD))

    assert [(str(message), message.level_tag) for message in get_messages(request)] == [
        ("1 of 2 rows given up.", "warning"),
        ("1 of 1 rows run again.", "success"),
    ]
    assert sorted(OutboxRow.objects.values_list("state", flat=True)) == ["pending", "published"]
