"""The second factor in the admin site: signing in with it, and turning off that of somebody who lost it."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.test import Client as Browser
from pytest_django import Settings

from apps.users.models import AuditEntry, MfaChallenge, RecoveryCode, TotpDevice, User
from apps.users.selectors import MfaSelector
from apps.users.tests.authenticator import Authenticator, with_authenticator
from apps.users.tests.factories import PASSWORD, AdminFactory, ModeratorFactory, UserFactory
from infrastructure.queue.models import OutboxRow

pytestmark = pytest.mark.django_db

LOGIN = "/admin/login/?next=/admin/"
LIST = "/admin/users/user/"


@pytest.fixture
def admin() -> User:
    return AdminFactory.create(email="root@admin.test")


@pytest.fixture
def app(admin: User) -> Authenticator:
    return with_authenticator(admin)


def _sign_in(**fields: str) -> tuple[Browser, Any]:
    browser = Browser()
    return browser, browser.post(LOGIN, {"username": "root@admin.test", "password": PASSWORD} | fields)


def _enters(browser: Browser) -> bool:
    return browser.get("/admin/").status_code == 200


def _complaints(response: Any) -> list[str]:
    assert response.status_code == 200
    return list(response.context["form"].non_field_errors())


def test_the_page_has_a_field_for_the_code(admin: User) -> None:
    page = Browser().get(LOGIN).content.decode()

    for attribute in ('name="username"', 'name="password"', 'name="code"', 'autocomplete="one-time-code"'):
        assert page.count(attribute) == 1
    assert '<input type="hidden" name="next" value="/admin/">' in page


def test_without_a_second_factor_the_field_stays_empty(admin: User) -> None:
    for fields in ({}, {"code": ""}, {"code": "123456"}):
        browser, response = _sign_in(**fields)
        assert (response.status_code, response.headers["Location"]) == (302, "/admin/")
        assert _enters(browser)


@pytest.mark.parametrize("kind", ["app", "recovery"])
def test_with_one_the_code_lets_in_once(admin: User, app: Authenticator, kind: str) -> None:
    code = app.code() if kind == "app" else app.recovery_codes[0]

    first, response = _sign_in(code=code)
    second, refused = _sign_in(code=code)

    assert (response.status_code, response.headers["Location"]) == (302, "/admin/")
    assert (_enters(first), _enters(second)) == (True, False)
    assert _complaints(refused) == ["The code is wrong."]


def test_the_password_alone_does_not_let_in_and_costs_no_try(admin: User, app: Authenticator) -> None:
    for fields in ({}, {"code": ""}, {"code": "  "}, {"code": "1" * 65}):
        browser, response = _sign_in(**fields)
        assert "Your second factor is on: give a code as well." in _complaints(response)
        assert not _enters(browser)
    assert not MfaChallenge.objects.exists()


def test_a_wrong_password_learns_of_no_second_factor_and_uses_no_code_up(admin: User, app: Authenticator) -> None:
    browser, response = _sign_in(password="not the one at all", code=app.recovery_codes[0])

    assert ["Please enter the correct" in complaint for complaint in _complaints(response)] == [True]
    assert not _enters(browser)
    assert RecoveryCode.objects.filter(used_at=None).count() == 10


def test_who_may_not_use_the_site_uses_no_code_up(admin: User, app: Authenticator) -> None:
    User.objects.filter(pk=admin.pk).update(is_staff=False)

    browser, response = _sign_in(code=app.code())

    assert ["Please enter the correct" in complaint for complaint in _complaints(response)] == [True]
    assert not _enters(browser)
    assert TotpDevice.objects.get().last_step is None


def test_guesses_here_and_over_the_api_count_together(admin: User, app: Authenticator, settings: Settings) -> None:
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"mfa_codes": (2, 3_600)}

    for _ in range(2):
        _, wrong = _sign_in(code=app.wrong_code())
        assert _complaints(wrong) == ["The code is wrong."]
    browser, refused = _sign_in(code=app.code())

    assert _complaints(refused) == ["Too many wrong codes. Wait, or use a recovery code."]
    assert not _enters(browser)
    assert _enters(_sign_in(code=app.recovery_codes[0])[0])


@pytest.fixture
def browser(admin: User) -> Browser:
    browser = Browser()
    browser.force_login(admin)
    return browser


def _turn_off(browser: Browser, *users: User) -> list[str]:
    keys = [str(user.pk) for user in users]
    response = browser.post(LIST, {"action": "turn_off_second_factor", "_selected_action": keys})
    return [str(message) for message in get_messages(response.wsgi_request)]


def test_an_account_shows_whether_its_second_factor_is_on_and_no_secret(browser: Browser) -> None:
    user = UserFactory.create()
    page = f"/admin/users/user/{user.pk}/change/"
    assert 'icon-no.svg" alt="False"' in browser.get(page).content.decode().partition("Second factor")[2][:200]

    app = with_authenticator(user)

    shown = browser.get(page).content.decode()
    assert 'icon-yes.svg" alt="True"' in shown.partition("Second factor")[2][:200]
    assert app.secret not in shown


def test_an_admin_turns_off_that_of_somebody_who_lost_it(browser: Browser, admin: User) -> None:
    user, without = UserFactory.create_batch(2)
    with_authenticator(user)

    assert _turn_off(browser, user, without) == ["2 without a second factor."]

    assert not MfaSelector.is_on(user_id=user.pk)
    (entry,) = AuditEntry.objects.all()
    assert (entry.action, entry.account_id, entry.actor_id) == ("mfa_disabled", user.pk, admin.pk)
    (job,) = OutboxRow.objects.all()
    assert job.payload == {"user_id": str(user.pk), "notice": "mfa_disabled"}


def test_not_the_own_one_which_takes_the_password(browser: Browser, admin: User) -> None:
    with_authenticator(admin)

    assert _turn_off(browser, admin) == [f"{admin}: You cannot turn off your own second factor here."]
    assert MfaSelector.is_on(user_id=admin.pk)


def test_permissions_of_the_site_turn_off_nobodys() -> None:
    clerk, user = ModeratorFactory.create(is_staff=True), UserFactory.create()
    clerk.user_permissions.set(Permission.objects.filter(content_type__app_label="users"))
    with_authenticator(user)
    browser = Browser()
    browser.force_login(clerk)

    assert _turn_off(browser, user) == [f"{user}: You are not allowed to do this."]
    assert MfaSelector.is_on(user_id=user.pk)
