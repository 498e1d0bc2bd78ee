from datetime import UTC, datetime, timedelta

import pytest
from freezegun import freeze_time
from rest_framework.test import APIClient

from apps.common.tests.races import at_once
from apps.users.models import RefreshToken, Session
from apps.users.tests.factories import UserFactory
from apps.users.tests.support import SignIn, problem, signed_in, wrong_fields

URL = "/api/v1/auth/refresh/"
ME = "/api/v1/auth/me/"
MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.django_db
def test_a_refresh_gives_a_new_pair_that_works(api: APIClient, auth_api: SignIn) -> None:
    client = auth_api(UserFactory.create())

    response = api.post(URL, {"refresh": client.refresh})

    body = response.json()
    assert response.status_code == 200
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 900)
    assert body["refresh"] != client.refresh
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {body['access']}")
    assert api.get(ME).json()["id"] == str(client.user.pk)
    api.credentials()
    assert api.post(URL, {"refresh": body["refresh"]}).status_code == 200


@pytest.mark.django_db
def test_reuse_outside_the_grace_ends_the_session(api: APIClient) -> None:
    with freeze_time(MOMENT):
        old = signed_in(UserFactory.create())
        new = api.post(URL, {"refresh": old.refresh}).json()
    with freeze_time(MOMENT + timedelta(seconds=11)):
        assert problem(api.post(URL, {"refresh": old.refresh})) == (401, "token_reused")
        assert problem(api.post(URL, {"refresh": new["refresh"]})) == (401, "session_revoked")
        api.credentials(HTTP_AUTHORIZATION=f"Bearer {new['access']}")
        assert problem(api.get(ME)) == (401, "session_revoked")


@pytest.mark.django_db
def test_an_expired_token_is_named(api: APIClient) -> None:
    with freeze_time(MOMENT):
        pair = signed_in(UserFactory.create())
    with freeze_time(MOMENT + timedelta(days=7)):
        response = api.post(URL, {"refresh": pair.refresh})

    assert problem(response) == (401, "token_expired")
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.django_db
def test_an_access_token_is_no_refresh_token(api: APIClient, auth_api: SignIn) -> None:
    assert problem(api.post(URL, {"refresh": auth_api(UserFactory.create()).access})) == (401, "token_invalid")
    assert RefreshToken.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"refresh": "required"}),
        ({"refresh": ""}, {"refresh": "blank"}),
        ({"refresh": 7}, {"refresh": "invalid"}),
        ({"refresh": "x" * 4_097}, {"refresh": "max_length"}),
        ({"refresh": "x", "access": "y"}, {"access": "unknown"}),
    ],
)
def test_a_body_of_another_shape_is_refused(api: APIClient, body: dict[str, object], fields: dict[str, str]) -> None:
    assert wrong_fields(api.post(URL, body)) == fields


@pytest.mark.django_db(transaction=True)
def test_two_hundred_parallel_refreshes_over_http_give_one_successor_and_no_fault(auth_api: SignIn) -> None:
    client = auth_api(UserFactory.create())

    answers = at_once(200, lambda _: APIClient().post(URL, {"refresh": client.refresh}))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh"] for answer in answers}) == 1
    assert RefreshToken.objects.count() == 2
    assert Session.objects.get().ended_at is None
