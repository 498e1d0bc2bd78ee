import pytest
from django.core import mail

from apps.common.enums import Role
from apps.users.tests.factories import PASSWORD, UserFactory
from apps.users.tests.support import SignIn, mailed_token, row, run_jobs, wrong_fields
from infrastructure.queue.models import OutboxRow

pytestmark = pytest.mark.django_db

URL = "/api/v1/auth/email/change/"
ME = "/api/v1/auth/me/"
BODY = {"email": "Ada.King@Example.com", "password": PASSWORD}


def test_it_takes_effect_when_the_new_address_is_confirmed(auth_api: SignIn) -> None:
    client = auth_api(UserFactory.create(email="ada@example.com"))

    asked = client.post(URL, BODY)

    assert (asked.status_code, asked.json()) == (202, {})
    assert client.get(ME).json()["email"] == "ada@example.com"
    assert client.post("/api/v1/auth/email/verify/", {"token": mailed_token("ada.king@example.com")}).status_code == 204
    assert client.get(ME).json() | {"id": None} == client.get(ME).json() | {
        "id": None,
        "email": "ada.king@example.com",
        "email_verified": True,
    }
    run_jobs()
    assert mail.outbox[-1].to == ["ada@example.com"]


def test_a_taken_address_looks_like_a_free_one(auth_api: SignIn) -> None:
    UserFactory.create(email="bob@example.com")
    client = auth_api(Role.USER)

    answers = [
        client.post(URL, BODY | {"email": email}, headers={"X-Request-ID": "same"})
        for email in ("free@example.com", "bob@example.com")
    ]

    assert [(answer.status_code, answer.content) for answer in answers] == [(202, b"{}")] * 2
    told = [{name: text for name, text in answer.headers.items() if name != "RateLimit"} for answer in answers]
    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"password": "not the one at all"}, {"password": "wrong"}),
        ({"email": "no address"}, {"email": "invalid"}),
        ({"email": "ada@example.com\n"}, {"email": "invalid"}),
        ({"email": ""}, {"email": "blank"}),
        ({"email": None, "password": None}, {"email": "null", "password": "null"}),
        ({"name": "Eve"}, {"name": "unknown"}),
    ],
)
def test_a_wrong_field_is_named_and_nothing_changes(
    auth_api: SignIn, changes: dict[str, object], fields: dict[str, str]
) -> None:
    client = auth_api(Role.USER)
    before = row(client.user.pk)

    assert wrong_fields(client.post(URL, BODY | changes)) == fields

    assert row(client.user.pk) == before
    assert not OutboxRow.objects.exists()
