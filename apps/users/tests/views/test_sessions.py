from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.utils import timezone
from freezegun import freeze_time
from rest_framework.test import APIClient

from apps.common.enums import Role
from apps.users.models import Session
from apps.users.tests.factories import PASSWORD, UserFactory
from apps.users.tests.support import SignIn, problem

pytestmark = pytest.mark.django_db

URL = "/api/v1/auth/sessions/"
ME = "/api/v1/auth/me/"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"
MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_my_open_sessions_are_listed_newest_first(api: APIClient) -> None:
    UserFactory.create(email="ada@example.com")
    body = {"email": "ada@example.com", "password": PASSWORD}
    with freeze_time(MOMENT):
        first = api.post("/api/v1/auth/login/", body, headers={"User-Agent": FIREFOX}, REMOTE_ADDR="192.0.2.1").json()
        second = api.post("/api/v1/auth/login/", body, headers={"User-Agent": ""}, REMOTE_ADDR="2001:db8::1").json()
    with freeze_time(MOMENT + timedelta(minutes=5)):
        api.post("/api/v1/auth/refresh/", {"refresh": first["refresh"]})
        page = api.get(URL, headers={"Authorization": f"Bearer {second['access']}"}).json()

    newest, oldest = Session.objects.order_by("-created_at", "-id")
    assert page == {
        "count": 2,
        "next": None,
        "previous": None,
        "results": [
            {
                "id": str(newest.pk),
                "device": "Unknown device",
                "address": "2001:db8::1",
                "created_at": "2026-03-01T12:00:00Z",
                "last_used_at": "2026-03-01T12:00:00Z",
                "current": True,
            },
            {
                "id": str(oldest.pk),
                "device": "Firefox on Linux",
                "address": "192.0.2.1",
                "created_at": "2026-03-01T12:00:00Z",
                "last_used_at": "2026-03-01T12:05:00Z",
                "current": False,
            },
        ],
    }


def test_neither_ended_nor_expired_sessions_nor_those_of_others_are_listed(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    auth_api(Role.USER)
    later, now = timezone.now() + timedelta(days=1), timezone.now()
    Session.objects.create(user=client.user, expires_at=later, ended_at=now)
    Session.objects.create(user=client.user, expires_at=now)

    assert [(row["current"], row["address"]) for row in client.get(URL).json()["results"]] == [(True, None)]


def test_the_list_has_pages(auth_api: SignIn) -> None:
    user = UserFactory.create()
    client = [auth_api(user) for _ in range(3)][-1]

    page = client.get(f"{URL}?page=2&page_size=2").json()

    assert (page["count"], len(page["results"]), page["next"]) == (3, 1, None)


def test_an_ended_session_is_signed_out_and_the_others_are_not(api: APIClient, auth_api: SignIn) -> None:
    user = UserFactory.create()
    here, there = auth_api(user), auth_api(user)
    other = next(row["id"] for row in here.get(URL).json()["results"] if not row["current"])

    response = here.delete(f"{URL}{other}/")

    assert (response.status_code, response.content) == (204, b"")
    assert problem(there.get(ME)) == (401, "session_revoked")
    assert problem(api.post("/api/v1/auth/refresh/", {"refresh": there.refresh})) == (401, "session_revoked")
    assert [row["id"] != other for row in here.get(URL).json()["results"]] == [True]
    assert problem(here.delete(f"{URL}{other}/")) == (404, "not_found")


def test_the_session_of_the_request_itself_may_be_ended(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    mine = client.get(URL).json()["results"][0]["id"]

    assert client.delete(f"{URL}{mine}/").status_code == 204
    assert problem(client.get(ME)) == (401, "session_revoked")


def test_anothers_session_and_one_that_is_not_there_look_the_same(auth_api: SignIn) -> None:
    client, other = auth_api(Role.ADMIN), auth_api(Role.USER)
    theirs = Session.objects.get(user=other.user).pk

    answers = [problem(client.delete(f"{URL}{session_id}/")) for session_id in (theirs, uuid4())]

    assert answers == [(404, "not_found")] * 2
    assert other.get(ME).status_code == 200
    assert problem(client.delete(f"{URL}rubbish/")) == (404, "not_found")
