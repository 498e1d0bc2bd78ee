from collections.abc import Callable
from contextlib import AbstractContextManager
from time import perf_counter
from typing import Any

import pytest
from django.db import connections
from pytest_django import Settings
from rest_framework.test import APIClient

from apps.common.enums import Role
from apps.common.tests.races import at_once
from apps.users.enums import LinkPurpose
from apps.users.models import Session, User
from apps.users.services import SessionService
from apps.users.tests.factories import PASSWORD, UserFactory
from apps.users.tests.support import (
    Client,
    SignIn,
    link_token,
    problem,
    redis_hanging,
    redis_refusing,
    row,
    unused_port,
)
from infrastructure.queue.models import OutboxRow

pytestmark = pytest.mark.django_db(transaction=True)

ME = "/api/v1/auth/me/"
type Outage = Callable[[], AbstractContextManager[None]]
type Request = Callable[[Client, str], Any]

both_outages = pytest.mark.parametrize("outage", [redis_refusing, redis_hanging])


@both_outages
def test_reads_are_served_without_redis(auth_api: SignIn, admin_api: Client, outage: Outage) -> None:
    owner = auth_api(UserFactory.create(name="Ada", phone="+442079460000"))

    with outage():
        started = perf_counter()
        answers = [
            owner.get(ME),
            owner.get(f"/api/v1/users/{owner.user.pk}/"),
            owner.get("/api/v1/auth/sessions/"),
            admin_api.get("/api/v1/users/"),
        ]
        seconds = perf_counter() - started

    assert [answer.status_code for answer in answers] == [200, 200, 200, 200]
    assert answers[0].json()["phone"] == answers[1].json()["phone"] == "+442079460000"
    assert seconds < 4 * 2


def test_without_redis_a_session_that_has_ended_is_refused_all_the_same(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    assert client.get(ME).status_code == 200
    SessionService.logout(token=client.refresh)

    with redis_refusing():
        assert problem(client.get(ME)) == (401, "session_revoked")


REFUSED: dict[str, Request] = {
    "login": lambda client, _: client.post("/api/v1/auth/login/", {"email": client.user.email, "password": PASSWORD}),
    "refresh": lambda client, _: client.post("/api/v1/auth/refresh/", {"refresh": client.refresh}),
    "logout": lambda client, _: client.post("/api/v1/auth/logout/", {"refresh": client.refresh}),
    "logout-all": lambda client, _: client.post("/api/v1/auth/logout-all/"),
    "password change": lambda client, _: client.post(
        "/api/v1/auth/password/change/", {"current": PASSWORD, "new": "nine hundred lanterns"}
    ),
    "password reset": lambda client, _: client.post(
        "/api/v1/auth/password/reset/confirm/",
        {"token": link_token(client.user.pk, LinkPurpose.RESET_PASSWORD), "new": "nine hundred lanterns"},
    ),
    "address change": lambda client, _: client.post(
        "/api/v1/auth/email/change/", {"email": "other@example.com", "password": PASSWORD}
    ),
    "confirmation": lambda client, _: client.post(
        "/api/v1/auth/email/verify/", {"token": link_token(client.user.pk, LinkPurpose.VERIFY_EMAIL)}
    ),
    "erasure": lambda client, _: client.post("/api/v1/auth/me/erase/", {"password": PASSWORD}),
    "second factor": lambda client, _: client.post("/api/v1/auth/mfa/verify/", {"mfa_token": "x", "code": "1"}),
    "turning the second factor off": lambda client, _: client.post("/api/v1/auth/mfa/disable/", {"password": PASSWORD}),
    "end of a session": lambda client, _: client.delete(f"/api/v1/auth/sessions/{Session.objects.get().pk}/"),
    "ticket": lambda client, _: client.post("/api/v1/auth/ticket/"),
    "deactivation": lambda client, url: client.delete(url),
    "role change": lambda client, url: client.patch(url, {"role": "moderator"}),
}


@both_outages
@pytest.mark.parametrize("name", REFUSED)
def test_what_must_act_at_once_or_not_at_all_is_refused_within_two_seconds(
    admin_api: Client, outage: Outage, name: str
) -> None:
    user = UserFactory.create()
    before = [row(user.pk), row(admin_api.user.pk), list(Session.objects.values())]

    with outage():
        started = perf_counter()
        response = REFUSED[name](admin_api, f"/api/v1/users/{user.pk}/")
        seconds = perf_counter() - started

    assert problem(response) == (503, "service_unavailable")
    assert int(response.headers["Retry-After"]) > 0
    assert seconds < 2
    assert [row(user.pk), row(admin_api.user.pk), list(Session.objects.values())] == before


@both_outages
def test_registration_goes_on_under_a_tenth_of_its_limits(api: APIClient, settings: Settings, outage: Outage) -> None:
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"register_address": (20, 60)}
    # Counted in this process, which outlives the test: so from an address of this test's own.
    address = "203.0.113.1" if outage is redis_refusing else "203.0.113.2"

    with outage():
        statuses = [
            api.post(
                "/api/v1/auth/register/",
                {"email": f"user{number}@example.com", "name": "Ada", "password": PASSWORD},
                REMOTE_ADDR=address,
            ).status_code
            for number in range(3)
        ]

    assert statuses == [201, 201, 429]
    assert User.objects.count() == OutboxRow.objects.count() == 2


@both_outages
def test_mails_are_asked_for_under_a_tenth_of_their_limits(
    api: APIClient, auth_api: SignIn, settings: Settings, outage: Outage
) -> None:
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"reset_address": (20, 60), "verify": (20, 60)}
    # Counted in this process, which outlives the test: so from an address of this test's own.
    address = "203.0.113.3" if outage is redis_refusing else "203.0.113.4"
    client = auth_api(Role.USER)

    with outage():
        resets = [
            api.post("/api/v1/auth/password/reset/", {"email": client.user.email}, REMOTE_ADDR=address).status_code
            for _ in range(3)
        ]
        mails = [client.post("/api/v1/auth/email/verify/resend/", REMOTE_ADDR=address).status_code for _ in range(3)]

    assert (resets, mails) == ([202, 202, 429], [202, 202, 429])
    assert OutboxRow.objects.count() == 4


def test_once_redis_is_back_everything_is(api: APIClient, auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    with redis_refusing():
        assert api.post("/api/v1/auth/refresh/", {"refresh": client.refresh}).status_code == 503

    assert api.post("/api/v1/auth/refresh/", {"refresh": client.refresh}).status_code == 200


def test_without_postgresql_the_answer_is_a_problem_document_too(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    port = unused_port()

    def ask(_: int) -> list[Any]:
        # Of this thread alone, and without the pool, which is connected already.
        database = connections["default"]
        options = {name: value for name, value in database.settings_dict["OPTIONS"].items() if name != "pool"}
        database.settings_dict = database.settings_dict | {"HOST": "127.0.0.1", "PORT": port, "OPTIONS": options}
        login = {"email": client.user.email, "password": PASSWORD}
        return [client.get(ME), APIClient().post("/api/v1/auth/login/", login)]

    (answers,) = at_once(1, ask)

    for answer in answers:
        assert problem(answer) == (503, "service_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        assert "127.0.0.1" not in answer.content.decode()
