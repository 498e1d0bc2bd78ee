import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.common.enums import Role
from apps.users.enums import AuditAction
from apps.users.models import AuditEntry, User
from apps.users.services import AuditService
from apps.users.tests.factories import PASSWORD, AdminFactory, UserFactory

pytestmark = pytest.mark.django_db

LIST: Final = "/admin/users/auditentry/"


@pytest.fixture
def admin() -> User:
    return AdminFactory.create(email="root@admin.test")


@pytest.fixture
def browser(admin: User) -> Browser:
    """A browser in which the admin is signed in."""
    browser = Browser()
    browser.force_login(admin)
    return browser


def _record(action: AuditAction = AuditAction.SIGNED_IN, *, account: UUID | None = None, **values: Any) -> AuditEntry:
    return AuditEntry.objects.create(action=action, account_id=account or uuid4(), **values)


def _rows(browser: Browser, **query: str) -> list[list[str]]:
    """Return the cells of the list's rows as a person reads them, without the time."""
    page = browser.get(LIST, query).content.decode()
    body = re.search(r"<tbody>(.*)</tbody>", page, re.DOTALL)
    rows = re.findall(r"<tr>(.*?)</tr>", body[1], re.DOTALL) if body else []
    return [[re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)] for row in rows]


def test_an_entry_is_told_as_a_person_would(browser: Browser, admin: User) -> None:
    ada = UserFactory.create(email="ada@example.com")
    gone = uuid4()
    AuditService.record(action=AuditAction.SIGNED_IN, account_id=ada.pk)
    AuditService.record(
        action=AuditAction.UPDATED, account_id=ada.pk, actor_id=admin.pk, fields=["name", "role"], role="moderator"
    )
    AuditService.record(action=AuditAction.DEACTIVATED, account_id=gone, actor_id=admin.pk)
    AuditService.record(action=AuditAction.TOKEN_REUSED, account_id=ada.pk)
    AuditEntry.objects.create(action="room_emptied", account_id=ada.pk, actor_id=gone, address="192.0.2.1")

    assert _rows(browser) == [
        ["room_emptied", "ada@example.com", str(gone), "192.0.2.1"],
        ["refresh token used twice", "ada@example.com", "somebody", "-"],
        ["account closed", str(gone), "root@admin.test", "-"],
        ["account changed: name, role (now moderator)", "ada@example.com", "root@admin.test", "-"],
        ["signed in", "ada@example.com", "the owner", "-"],
    ]


def test_there_are_words_for_every_action() -> None:
    assert [action for action in AuditAction if action.label == action.name.replace("_", " ").title()] == []


@pytest.mark.parametrize(
    "text",
    [
        lambda entry, _: str(entry.account_id),
        lambda entry, _: str(entry.actor_id),
        lambda entry, _: entry.request_id,
        lambda _, ada: ada.email,
        lambda _, ada: f"  {ada.email.upper()} ",
    ],
    ids=["account", "actor", "request", "address", "another spelling"],
)
def test_the_search_finds_what_goes_with(browser: Browser, text: Callable[[AuditEntry, User], str]) -> None:
    ada = UserFactory.create(email="ada@example.com")
    entry = _record(AuditAction.UPDATED, account=ada.pk, actor_id=uuid4(), request_id="the-request")
    _record()

    assert [row[0] for row in _rows(browser, q=text(entry, ada))] == ["account changed"]


def test_a_request_whose_id_was_made_by_us_is_found_too(browser: Browser) -> None:
    _record(AuditAction.UPDATED, request_id="01a20b82-6c26-737f-8c65-422681b3667f")

    assert len(_rows(browser, q="01a20b82-6c26-737f-8c65-422681b3667f")) == 1


@pytest.mark.parametrize("text", ["nobody@example.com", "@", "signed_in", "' OR 1=1", "\x00", "%", str(UUID(int=7))])
def test_what_goes_with_nothing_finds_nothing(browser: Browser, text: str) -> None:
    _record()

    assert _rows(browser, q=text) == ([] if text != "\x00" else _rows(browser))


def test_the_filters_choose_by_action_and_date(browser: Browser) -> None:
    ada = UserFactory.create(email="ada@example.com")
    _record(AuditAction.REGISTERED, account=ada.pk, created_at=timezone.now() - timedelta(days=20))
    _record(AuditAction.SIGNED_IN, account=ada.pk)
    week = {"created_at__gte": (timezone.now() - timedelta(days=7)).isoformat()}

    assert [row[0] for row in _rows(browser, action="registered")] == ["account opened"]
    assert [row[0] for row in _rows(browser, **week)] == ["signed in"]
    assert _rows(browser, action="registered", **week) == []
    assert len(_rows(browser, action="no_such_action")) == 0


def test_the_page_of_an_entry_shows_the_whole_of_it(browser: Browser, admin: User) -> None:
    entry = _record(
        AuditAction.SIGNED_OUT,
        account=admin.pk,
        actor_id=admin.pk,
        user_agent="curl/8.5",
        request_id="the-request",
        details={"session_id": "0199f0c2"},
    )

    page = browser.get(f"{LIST}{entry.pk}/change/").content.decode()

    for shown in ("signed out", "root@admin.test", "the owner", "curl/8.5", "the-request", "session_id", "0199f0c2"):
        assert shown in page


def test_what_a_stranger_sent_is_shown_as_text(browser: Browser) -> None:
    entry = _record(user_agent="<script>alert(1)</script>")

    page = browser.get(f"{LIST}{entry.pk}/change/").content.decode()

    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_nothing_is_added_changed_or_deleted_here(browser: Browser) -> None:
    entry = _record()
    before = AuditEntry.objects.values().get()

    assert browser.post(f"{LIST}add/", {"action": "updated"}).status_code == 403
    assert browser.post(f"{LIST}{entry.pk}/change/", {"action": "updated"}).status_code == 403
    assert browser.post(f"{LIST}{entry.pk}/delete/", {"post": "yes"}).status_code == 403
    browser.post(LIST, {"action": "delete_selected", "_selected_action": [str(entry.pk)], "post": "yes"})
    assert AuditEntry.objects.values().get() == before


def test_only_whoever_may_see_it_sees_it() -> None:
    clerk = UserFactory.create(is_staff=True, role=Role.MODERATOR)
    browser = Browser()
    browser.force_login(clerk)

    assert browser.get(LIST).status_code == 403
    clerk.user_permissions.set(Permission.objects.filter(codename="view_auditentry"))
    assert browser.get(LIST).status_code == 200


@pytest.mark.parametrize("count", [1, 100])
def test_a_page_costs_the_same_for_one_entry_and_for_a_hundred(browser: Browser, admin: User, count: int) -> None:
    for user in UserFactory.create_batch(count):
        _record(account=user.pk, actor_id=admin.pk)

    with CaptureQueriesContext(connection) as captured:
        assert len(_rows(browser)) == count

    # The browser's session and user, the count, the page.
    assert len(captured) == 4


def test_no_page_counts_or_sorts_the_whole_trail(browser: Browser) -> None:
    with CaptureQueriesContext(connection) as captured:
        browser.get(LIST)

    [count] = [query["sql"] for query in captured if "COUNT(" in query["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {count}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "LIMIT 10001" in count
    assert "on users" not in plan
    assert not any("DISTINCT" in query["sql"] for query in captured)


def test_the_history_of_an_account_is_its_audit_trail(browser: Browser) -> None:
    ada = UserFactory.create()

    response = browser.get(f"/admin/users/user/{ada.pk}/history/")

    assert (response.status_code, response.headers["Location"]) == (302, f"{LIST}?q={ada.pk}")
    assert f"/admin/users/user/{ada.pk}/history/" in browser.get(f"/admin/users/user/{ada.pk}/change/").content.decode()


def test_what_is_done_in_the_site_is_told_once_and_the_address_nowhere_else(browser: Browser, admin: User) -> None:
    browser.post(
        "/admin/users/user/add/",
        {"email": "ada@example.com", "name": "Ada", "phone": "", "role": "moderator", "password": PASSWORD},
    )
    ada = User.objects.get(email="ada@example.com")
    browser.post(f"/admin/users/user/{ada.pk}/change/", {"name": "Ada King", "phone": "", "role": "moderator"})
    for action in ("deactivate", "reactivate"):
        browser.post("/admin/users/user/", {"action": action, "_selected_action": [str(ada.pk)]})

    entries = AuditEntry.objects.filter(account_id=ada.pk).order_by("id")
    assert [(entry.action, entry.actor_id, entry.details) for entry in entries] == [
        ("registered", admin.pk, {}),
        ("updated", admin.pk, {"fields": ["role"], "role": "moderator"}),
        ("updated", admin.pk, {"fields": ["name"]}),
        ("deactivated", admin.pk, {}),
        ("reactivated", admin.pk, {}),
    ]
    assert not LogEntry.objects.exists()
