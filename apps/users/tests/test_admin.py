import re
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.contrib.sessions.models import Session as BrowserSession
from django.test import Client as Browser
from rest_framework.test import APIClient

from apps.common.enums import Role
from apps.users.enums import AuditAction, Notice
from apps.users.exceptions import SessionRevokedError
from apps.users.models import AuditEntry, Session, User
from apps.users.services import ErasureService, SessionService, UserService
from apps.users.tests.factories import PASSWORD, AdminFactory, ModeratorFactory, UserFactory
from apps.users.tests.support import redis_refusing, row, signed_in
from infrastructure.queue.models import OutboxRow

pytestmark = pytest.mark.django_db

LIST = "/admin/users/user/"
ADD = "/admin/users/user/add/"
NEW = {"email": "Ada@Example.com", "name": "Ada", "phone": "+442079460000", "role": "user", "password": PASSWORD}


@pytest.fixture
def admin() -> User:
    return AdminFactory.create(email="root@admin.test", name="Root")


@pytest.fixture
def browser(admin: User) -> Browser:
    """A browser in which the admin is signed in."""
    browser = Browser()
    browser.force_login(admin)
    return browser


def _page(user: User) -> str:
    return f"/admin/users/user/{user.pk}/change/"


def _form(user: User, **changes: Any) -> dict[str, Any]:
    """Return what the browser sends for an account, with these fields filled in otherwise."""
    form = {"name": user.name, "phone": user.phone or "", "role": user.role} | changes
    if form.pop("is_staff", user.is_staff):
        form["is_staff"] = "on"
    return form


def _messages(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def test_whoever_may_use_the_site_signs_in_with_any_spelling_of_the_address(admin: User) -> None:
    browser = Browser()

    response = browser.post("/admin/login/?next=/admin/", {"username": "ROOT@Admin.Test", "password": PASSWORD})

    assert (response.status_code, response.headers["Location"]) == (302, "/admin/")
    assert browser.get("/admin/").status_code == 200


def test_signing_in_needs_no_redis(admin: User) -> None:
    browser = Browser()

    with redis_refusing():
        response = browser.post("/admin/login/?next=/admin/", {"username": admin.email, "password": PASSWORD})

    assert (response.status_code, response.headers["Location"]) == (302, "/admin/")


def _sign_in(email: str, password: str) -> Any:
    return Browser().post("/admin/login/?next=/admin/", {"username": email, "password": password})


def test_guesses_count_together_with_those_over_the_api(admin: User, api: APIClient, settings: Any) -> None:
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login": (3, 60)}
    guess = {"email": admin.email, "password": "not the one at all"}

    assert api.post("/api/v1/auth/login/", guess).status_code == 401
    assert "Please enter the correct" in _sign_in("ROOT@admin.test", "not the one at all").content.decode()
    assert "Please enter the correct" in _sign_in(admin.email, "not the one at all").content.decode()
    answer = _sign_in(admin.email, PASSWORD)

    assert "Too many tries." in answer.content.decode()
    assert BrowserSession.objects.count() == 0
    assert api.post("/api/v1/auth/login/", guess | {"password": PASSWORD}).status_code == 429
    assert _sign_in(UserFactory.create(is_staff=True).email, PASSWORD).status_code == 302


def test_the_owner_is_told_of_too_many_guesses_here_as_well(admin: User, settings: Any) -> None:
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login_failures": (2, 3_600)}
    settings.LOGIN_DELAY = 0

    for _ in range(3):
        _sign_in(admin.email, "not the one at all")

    told = OutboxRow.objects.get()
    assert (told.name, told.payload) == (
        "users.send_security_notice",
        {"user_id": str(admin.pk), "notice": Notice.LOGIN_FAILURES},
    )


def test_without_redis_a_tenth_of_the_guesses_is_left(settings: Any) -> None:
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login": (20, 60)}
    # Of this test alone: what a process counts outlives a test.
    email = AdminFactory.create(email=f"{uuid4().hex}@admin.test").email

    with redis_refusing():
        answers = [_sign_in(email, "not the one at all").content.decode() for _ in range(3)]

    assert ["Too many tries." in answer for answer in answers] == [False, False, True]


_OWN_PASSWORD = "/admin/password_change/"
_NEW = "another lantern at sea"


def _change(browser: Browser, *, old: str = PASSWORD, new: str = _NEW, again: str | None = None) -> Any:
    return browser.post(_OWN_PASSWORD, {"old_password": old, "new_password1": new, "new_password2": again or new})


def test_ones_own_password_is_changed_by_the_same_service(browser: Browser, admin: User) -> None:
    access = signed_in(admin).access
    assert browser.get(_OWN_PASSWORD).status_code == 200

    response = _change(browser)

    assert (response.status_code, response.headers["Location"]) == (302, "/admin/password_change/done/")
    assert browser.get(response.headers["Location"]).status_code == 200
    admin.refresh_from_db()
    assert admin.check_password(_NEW)
    assert admin.token_version == 2
    with pytest.raises(SessionRevokedError):
        SessionService.resume(access=access)
    assert OutboxRow.objects.get().payload == {"user_id": str(admin.pk), "notice": Notice.PASSWORD_CHANGED}
    assert AuditEntry.objects.get(action=AuditAction.PASSWORD_CHANGED).account_id == admin.pk


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"old": "not the one at all"}, "This is not the password of the account."),
        ({"new": PASSWORD}, "This is the password that the account has."),
        ({"new": "password1"}, "This password is too common."),
        ({"again": "a third lantern"}, "The two password fields didn’t match."),
    ],
)
def test_a_password_that_is_not_changed_leaves_all_as_it_was(
    browser: Browser, admin: User, change: dict[str, str], complaint: str
) -> None:
    before = row(admin.pk)

    response = _change(browser, **change)

    assert complaint in response.content.decode()
    assert row(admin.pk) == before
    assert OutboxRow.objects.count() == 0


def test_whoever_took_over_a_browser_cannot_try_all_passwords(browser: Browser, admin: User, settings: Any) -> None:
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"password": (1, 60)}
    _change(browser, old="not the one at all")

    response = _change(browser)

    assert "Too many tries." in response.content.decode()
    admin.refresh_from_db()
    assert admin.check_password(PASSWORD)


def test_without_redis_ones_own_password_stays_since_sessions_must_end_at_once(browser: Browser, admin: User) -> None:
    before = row(admin.pk)

    with redis_refusing():
        response = _change(browser)

    assert "does not answer" in response.content.decode()
    assert row(admin.pk) == before


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("name", "Ada\tLovelace", "This holds a control character."),
        ("phone", "020 7946 0000", "Write the number with its country code, as in +442079460000."),
    ],
)
def test_a_form_knows_the_rules_of_the_fields(browser: Browser, field: str, value: str, complaint: str) -> None:
    user = UserFactory.create()
    before = row(user.pk)

    response = browser.post(_page(user), _form(user, **{field: value}))

    assert response.status_code == 200
    assert response.context["adminform"].form.errors == {field: [complaint]}
    assert row(user.pk) == before


@pytest.mark.parametrize("values", [{"is_staff": False}, {"is_active": False}])
def test_nobody_else_enters(values: dict[str, bool]) -> None:
    user = AdminFactory.create(**{"is_superuser": True} | values)
    browser = Browser()

    response = browser.post("/admin/login/?next=/admin/", {"username": user.email, "password": PASSWORD})

    assert response.status_code == 200
    assert browser.get("/admin/").status_code == 302


def test_every_page_of_the_slice_opens_and_none_shows_a_hash(browser: Browser, admin: User) -> None:
    user = UserFactory.create(phone="+442079460000")
    signed_in(user)
    session = Session.objects.get()
    paths = [LIST, ADD, _page(user), f"/admin/users/auditentry/?q={user.pk}"]
    paths += [f"{LIST}?role__exact=user&is_active__exact=1&q=user", "/admin/users/session/"]
    paths += [f"/admin/users/session/{session.pk}/change/"]

    for path in paths:
        response = browser.get(path)
        assert response.status_code == 200, path
        assert "argon2" not in response.content.decode()


def test_the_search_finds_the_beginnings_of_words(browser: Browser) -> None:
    UserFactory.create(name="Ada Lovelace", email="ada@example.com")
    UserFactory.create(name="Bob", email="bob@example.com")

    def found(text: str) -> set[str]:
        page = browser.get(LIST, {"q": text}).content.decode()
        return set(re.findall(r"[a-z]+@[a-z.]+(?=</a>)", page))

    assert found("love") == {"ada@example.com"}
    assert found("ovelace") == set()
    assert found("' OR 1=1") == set()
    assert found("  ") == {"ada@example.com", "bob@example.com", "root@admin.test"}


def test_a_new_account_is_registered_like_any_other(browser: Browser) -> None:
    response = browser.post(ADD, NEW)

    user = User.objects.get(email="ada@example.com")
    assert (response.status_code, response.headers["Location"]) == (302, LIST)
    assert (user.name, user.phone, user.role, user.is_staff) == ("Ada", "+442079460000", Role.USER, False)
    assert user.check_password(PASSWORD)
    assert OutboxRow.objects.get().payload == {"user_id": str(user.pk)}


def test_a_new_account_may_be_given_a_role(browser: Browser) -> None:
    browser.post(ADD, NEW | {"role": "moderator", "phone": ""})

    user = User.objects.get(email="ada@example.com")
    assert (user.role, user.phone) == (Role.MODERATOR, None)
    assert User.objects.count() == 2


def test_a_password_counts_to_its_last_blank(browser: Browser) -> None:
    browser.post(ADD, NEW | {"password": "  padded with blanks  "})

    assert User.objects.get(email="ada@example.com").check_password("  padded with blanks  ")


@pytest.mark.parametrize(
    "wrong",
    [
        {"password": "short"},
        {"password": "password123"},
        {"password": "ada@example.com"},
        {"password": ""},
        {"email": "no address"},
        {"email": "ROOT@admin.test"},
        {"email": ""},
        {"name": ""},
        {"role": "root"},
        {"phone": "+" + "1" * 20},
    ],
)
def test_a_wrong_field_is_named_on_the_form(browser: Browser, wrong: dict[str, str]) -> None:
    response = browser.post(ADD, NEW | wrong)

    errors = response.context["adminform"].form.errors
    assert response.status_code == 200
    assert list(errors) == list(wrong)
    assert User.objects.count() == 1
    assert not OutboxRow.objects.exists()


def test_an_account_is_changed(browser: Browser) -> None:
    user = UserFactory.create(name="Ada", phone="+442079460000")

    response = browser.post(_page(user), _form(user, name="Ada King", phone="", role="moderator", is_staff=True))

    user.refresh_from_db()
    assert (response.status_code, response.headers["Location"]) == (302, LIST)
    assert (user.name, user.phone, user.role, user.is_staff) == ("Ada King", None, Role.MODERATOR, True)


def test_what_is_only_shown_cannot_be_sent(browser: Browser) -> None:
    user = UserFactory.create(email="ada@example.com")
    forged = {
        "email": "eve@example.com",
        "is_active": "",
        "is_superuser": "on",
        "password": "x",
        "token_version": "9",
        "id": "0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a10",
    }
    before = row(user.pk)

    browser.post(_page(user), _form(user) | forged)

    after = row(user.pk)
    assert {name for name in after if after[name] != before[name]} <= {"updated_at", "row_version"}


def test_a_demoted_admin_loses_the_site_with_the_role(browser: Browser) -> None:
    other = AdminFactory.create()

    browser.post(_page(other), _form(other, role="user"))

    other.refresh_from_db()
    assert (other.role, other.is_staff, other.is_superuser) == (Role.USER, False, False)


def test_the_last_admin_stays_and_is_told_why(browser: Browser, admin: User) -> None:
    before = row(admin.pk)

    response = browser.post(_page(admin), _form(admin, role="user"))

    assert (response.status_code, response.headers["Location"]) == (302, _page(admin))
    assert _messages(response) == ["This is the last active admin. Make another admin first."]
    assert row(admin.pk) == before


def test_the_action_deactivates_each_and_tells_what_it_could_not(browser: Browser, admin: User) -> None:
    users = UserFactory.create_batch(2)
    pair = signed_in(users[0])
    keys = [str(user.pk) for user in [*users, admin]]

    response = browser.post(LIST, {"action": "deactivate", "_selected_action": keys})

    assert response.status_code == 302
    assert sorted(_messages(response)) == ["2 deactivated.", f"{admin}: You cannot deactivate your own account here."]
    assert set(User.objects.active()) == {admin}
    with pytest.raises(SessionRevokedError):
        SessionService.resume(access=pair.access)


def test_the_action_reactivates(browser: Browser) -> None:
    user = UserFactory.create(is_active=False)

    response = browser.post(LIST, {"action": "reactivate", "_selected_action": [str(user.pk)]})

    user.refresh_from_db()
    assert user.is_active
    assert _messages(response) == ["1 reactivated."]


def test_erasing_is_asked_for_once_more(browser: Browser) -> None:
    users = UserFactory.create_batch(2)
    before = [row(user.pk) for user in users]

    page = browser.post(LIST, {"action": "erase", "_selected_action": [str(user.pk) for user in users]})

    text = page.content.decode()
    assert page.status_code == 200
    assert "Nothing brings an erased account back." in text
    assert [f">{user.email}<" in text for user in users] == [True, True]
    assert re.findall(r'name="_selected_action" value="([^"]+)"', text) == [str(user.pk) for user in reversed(users)]
    assert [row(user.pk) for user in users] == before


def test_the_site_erases_by_the_same_service_and_shows_nothing_personal_afterwards(
    browser: Browser, admin: User
) -> None:
    user = UserFactory.create(email="ada@example.com", name="Lovelace", phone="+442079460000")
    UserService.login(email=user.email, password=PASSWORD)
    keys = [str(user.pk), str(admin.pk)]

    response = browser.post(LIST, {"action": "erase", "_selected_action": keys, "sure": "yes"})

    assert sorted(_messages(response)) == ["1 erased.", f"{admin}: You cannot erase your own account here."]
    assert User.objects.get(pk=user.pk).erased_at is not None
    for path in (LIST, f"{LIST}?erased_at__isempty=0", _page(user), "/admin/users/session/"):
        page = browser.get(path).content.decode()
        assert not re.search(r"ada@example|Lovelace|442079", page), path
    assert str(user.pk) in browser.get(LIST).content.decode()


def test_an_erased_account_can_only_be_looked_at(browser: Browser, admin: User) -> None:
    user = UserFactory.create()
    ErasureService.erase(actor=admin, user_id=user.pk)
    before = row(user.pk)

    assert browser.get(_page(user)).status_code == 200
    assert browser.post(_page(user), _form(user, name="Eve")).status_code == 403
    response = browser.post(LIST, {"action": "reactivate", "_selected_action": [str(user.pk)]})

    assert _messages(response)[0].endswith("This account was erased; nothing brings it back.")
    assert row(user.pk) == before


def test_no_account_is_deleted_here(browser: Browser) -> None:
    user = UserFactory.create()

    assert browser.post(f"/admin/users/user/{user.pk}/delete/", {"post": "yes"}).status_code == 403
    browser.post(LIST, {"action": "delete_selected", "_selected_action": [str(user.pk)], "post": "yes"})
    assert User.objects.filter(pk=user.pk).exists()


def test_sessions_can_only_be_looked_at(browser: Browser, admin: User) -> None:
    signed_in(admin)
    page = f"/admin/users/session/{Session.objects.get().pk}"

    assert browser.post(f"{page}/change/", {"ended_at_0": "2026-01-01"}).status_code == 403
    assert browser.post(f"{page}/delete/", {"post": "yes"}).status_code == 403
    assert browser.get("/admin/users/session/add/").status_code == 403
    assert Session.objects.get().ended_at is None


@pytest.fixture
def clerk() -> Browser:
    """A browser of someone who may use the site for accounts and is no admin over the API."""
    user = ModeratorFactory.create(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="users"))
    browser = Browser()
    browser.force_login(user)
    return browser


def test_permissions_of_the_site_give_no_role(clerk: Browser) -> None:
    user = UserFactory.create()
    before = row(user.pk)

    for changes in ({"role": "admin"}, {"is_staff": True}):
        response = clerk.post(_page(user), _form(user, **changes))
        assert (response.status_code, response.headers["Location"]) == (302, _page(user))
        assert _messages(response)[-1] == "You are not allowed to do this."
    assert row(user.pk) == before


def test_an_account_whose_role_may_not_be_given_is_not_made_at_all(clerk: Browser) -> None:
    response = clerk.post(ADD, NEW | {"role": "admin"})

    assert (response.status_code, response.headers["Location"]) == (302, ADD)
    assert _messages(response) == ["You are not allowed to do this."]
    assert not User.objects.filter(email="ada@example.com").exists()
    assert not OutboxRow.objects.exists()


@pytest.mark.parametrize("action", ["deactivate", "reactivate", "erase"])
def test_permissions_of_the_site_close_open_and_erase_no_account(clerk: Browser, action: str) -> None:
    user = UserFactory.create(is_active=action != "reactivate")
    before = row(user.pk)

    response = clerk.post(LIST, {"action": action, "_selected_action": [str(user.pk)], "sure": "yes"})

    assert _messages(response) == [f"{user}: You are not allowed to do this."]
    assert row(user.pk) == before


def test_what_the_site_says_of_accounts_is_kept_in_no_table(clerk: Browser) -> None:
    # More than a cookie holds.
    users = User.objects.bulk_create(User(email=f"{uuid4().hex}@example.com", name="Ada") for _ in range(200))

    response = clerk.post(LIST, {"action": "deactivate", "_selected_action": [str(user.pk) for user in users]})

    assert response.status_code == 302
    assert [set(session.get_decoded()) for session in BrowserSession.objects.all()] == [
        {"_auth_user_id", "_auth_user_backend", "_auth_user_hash"}
    ]


def test_who_may_only_look_is_not_even_offered_the_actions() -> None:
    viewer, user = UserFactory.create(is_staff=True), UserFactory.create()
    viewer.user_permissions.set(Permission.objects.filter(codename="view_user"))
    browser = Browser()
    browser.force_login(viewer)

    page = browser.get(LIST)
    browser.post(LIST, {"action": "deactivate", "_selected_action": [str(user.pk)]})

    assert page.status_code == 200
    assert 'name="action"' not in page.content.decode()
    assert User.objects.get(pk=user.pk).is_active


def test_the_whole_number_is_for_those_who_may_change_it(browser: Browser) -> None:
    user = UserFactory.create(phone="+442079460000")
    viewer = UserFactory.create(is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename="view_user"))
    viewers_browser = Browser()
    viewers_browser.force_login(viewer)

    pages = [browser.get(LIST), viewers_browser.get(LIST), viewers_browser.get(_page(user)), browser.get(_page(user))]

    assert ["442079460000" in page.content.decode() for page in pages] == [False, False, False, True]
    assert "+44•••••0000" in pages[2].content.decode()


@pytest.mark.django_db(transaction=True)
def test_without_redis_a_change_is_refused_with_a_message(browser: Browser) -> None:
    user = UserFactory.create(name="Ada")
    before = row(user.pk)

    with redis_refusing():
        changed = browser.post(_page(user), _form(user, name="Eve"))
        closed = browser.post(LIST, {"action": "deactivate", "_selected_action": [str(user.pk)]})

    assert (changed.status_code, closed.status_code) == (302, 302)
    assert "does not answer" in _messages(changed)[-1]
    assert "does not answer" in _messages(closed)[-1]
    assert row(user.pk) == before
