"""An account that did all there is to do is erased, and then everything is looked at that could still tell of it."""

import logging
from typing import Any, Final

import pytest
from django.core import mail
from django.test import Client as Browser
from rest_framework.test import APIClient

from apps.users.models import Session, User
from apps.users.selectors import account_cache, session_cache
from apps.users.tests.factories import AdminFactory
from apps.users.tests.pictures import png, upload
from apps.users.tests.support import mailed_token, run_jobs
from infrastructure.queue.models import OutboxRow, OutboxState
from tests.dumps import entries_of_redis, tables
from tests.infrastructure.storages import (
    bucket_fixture,  # noqa: F401  # pytest finds it here
    store_fixture,  # noqa: F401  # as above
    stored,
)

PASSWORD: Final = "nine hundred lanterns"
# What was told of a person, each of which is looked for where it was and where it went.
TOLD: Final = {
    "address": "ada.first@example.com",
    "new address": "ada.second@example.com",
    "wanted address": "ada.third@example.com",
    "name": "Augusta Lovelace",
    "new name": "Augusta Kingston",
    "name by an admin": "Augusta Byron",
    "phone": "+442079460000",
    "new phone": "+442079460111",
    "where from": "192.0.2.77",
    "program": "AugustasBrowser/1.0",
}


class Person:
    """Somebody with a browser, and a token once signed in."""

    def __init__(self) -> None:
        self._api = APIClient(REMOTE_ADDR=TOLD["where from"], HTTP_USER_AGENT=TOLD["program"])

    def ask(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        response = getattr(self._api, method)(f"/api/v1{path}", body, **options)
        assert response.status_code < 300, response.content
        return response.json() if response.content else None

    def sign_in(self, email: str) -> None:
        access = self.ask("post", "/auth/login/", {"email": email, "password": PASSWORD})["access"]
        self._api.credentials(HTTP_AUTHORIZATION=f"Bearer {access}")


def _live(person: Person) -> User:
    """Leave traces wherever an account can."""
    first, second, third = (TOLD[name] for name in ("address", "new address", "wanted address"))
    account = {"email": first, "password": PASSWORD, "name": TOLD["name"], "phone": TOLD["phone"]}
    person.ask("post", "/auth/register/", account)
    person.ask("post", "/auth/email/verify/", {"token": mailed_token(first)})
    person.sign_in(first)
    person.ask("patch", "/auth/me/", {"name": TOLD["new name"], "phone": TOLD["new phone"]})
    for colour in ("red", "blue"):
        person.ask("put", "/auth/me/avatar/", {"file": upload(png(colour), f"{TOLD['name']}.png")}, format="multipart")
    person.ask("post", "/auth/ticket/", headers={"Idempotency-Key": TOLD["name"].replace(" ", "-")})
    person.ask("post", "/auth/email/change/", {"email": second, "password": PASSWORD})
    person.ask("post", "/auth/email/verify/", {"token": mailed_token(second)})
    run_jobs()
    person.ask("post", "/auth/email/change/", {"email": third, "password": PASSWORD})
    person.ask("post", "/auth/mfa/setup/", {"password": PASSWORD})
    person.ask("post", "/auth/password/reset/", {"email": second})
    user = User.objects.get(email=second)
    _be_seen_in_the_admin_site(user)
    person.ask("get", "/auth/me/")
    return user


def _be_seen_in_the_admin_site(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_staff=True)
    login = {"username": user.email, "password": PASSWORD}
    own = Browser(REMOTE_ADDR=TOLD["where from"], HTTP_USER_AGENT=TOLD["program"])
    assert own.post("/admin/login/", login).status_code == 302
    admin = Browser()
    admin.force_login(AdminFactory.create())
    form = {"name": TOLD["name by an admin"], "phone": TOLD["new phone"], "role": user.role}
    assert admin.post(f"/admin/users/user/{user.pk}/change/", form).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_no_file_no_row_no_entry_of_redis_and_no_line_of_the_log_tells_of_it(
    store: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    person = Person()
    user = _live(person)
    before = "".join(tables())
    # Else the test would look for what was never there.
    assert {TOLD[name] for name in ("new address", "name by an admin", "where from", "program")} <= set(_found(before))
    assert len(stored()) == 1
    sessions = list(Session.objects.filter(user=user).values_list("pk", flat=True))
    assert session_cache.look(sessions).found
    mail.outbox.clear()

    person.ask("post", "/auth/me/erase/", {"password": PASSWORD})
    run_jobs()

    assert stored() == []
    assert mail.outbox == []
    # A copy of the empty row may be there, and none of a session.
    assert all(cached["name"] == "" for cached in account_cache.look([user.pk]).found.values())
    assert session_cache.look(sessions).found == {}
    for place in ("".join(tables()), "\n".join(entries_of_redis()), caplog.text):
        assert _found(place) == []
    assert not OutboxRow.objects.exclude(state=OutboxState.DONE).exists()
    # The row itself is there, for what refers to it.
    assert User.objects.get(pk=user.pk).email.endswith("@erased.invalid")


def _found(text: str) -> list[str]:
    return [told for told in TOLD.values() if told.lower() in text.lower()]
