from datetime import timedelta

import pytest
from django.contrib import admin
from django.test import RequestFactory
from django.utils import timezone

from infrastructure.queue.admin import OutboxRowAdmin
from infrastructure.queue.models import OutboxRow


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
