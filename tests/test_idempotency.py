"""`Idempotency-Key` as a client meets it, on a view that makes rows of a table without any unique column."""

import json
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import pytest
from django.test import Client
from django.urls import path
from django_celery_beat.models import IntervalSchedule
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from pytest_django import Settings
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient

from apps.common.enums import Role
from apps.common.exceptions import ConflictError
from apps.common.models import IdempotencyKey
from apps.common.permissions import IsAdminUser
from apps.common.schema import NO_CONTENT
from apps.common.serializers import StrictCharField, StrictIntegerField, StrictSerializer, validated
from apps.common.tests.races import at_once
from apps.common.views import BaseViewSet, idempotent
from apps.users.tests.support import problem, wrong_fields

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from conftest import AuthenticatedClient

type SignIn = Callable[[Role], AuthenticatedClient]

PAUSES: Final = "/api/v1/shelves/1/pauses/"
TAKEN: Final = 13


class PauseSerializer(StrictSerializer):
    every = StrictIntegerField(min_value=1)
    note = StrictCharField(required=False, allow_null=True)


class PauseViewSet(BaseViewSet):
    permission_classes = [IsAuthenticated]

    @extend_schema(request=PauseSerializer, responses={201: PauseSerializer})
    @idempotent
    def create(self, request: Request, shelf: int) -> Response:
        """Make a pause."""
        data = validated(PauseSerializer(data=request.data))
        pause = IntervalSchedule.objects.create(every=data["every"], period="days")
        if data["every"] == TAKEN:
            raise ConflictError
        return Response({"id": pause.pk, **data}, status=201, headers={"Location": f"{request.path}{pause.pk}/"})

    @extend_schema(responses={200: PauseSerializer})
    def show(self, request: Request, shelf: int) -> Response:
        """Show nothing."""
        return Response({})


class SilentViewSet(PauseViewSet):
    permission_classes = [IsAdminUser]

    @extend_schema(request=None, responses={202: NO_CONTENT})
    @idempotent
    def create(self, request: Request, shelf: int) -> Response:
        """Make a pause, and have nothing to say about it; or refuse, without an error."""
        IntervalSchedule.objects.create(every=1, period="days")
        return Response(status=409 if "refused" in request.data else 202)


urlpatterns = [
    path("api/v1/shelves/<int:shelf>/pauses/", PauseViewSet.as_view({"post": "create", "get": "show"})),
    path("api/v1/shelves/<int:shelf>/silent/", SilentViewSet.as_view({"post": "create"})),
]
pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db]


def _made() -> "QuerySet[IntervalSchedule]":
    """Return the rows that the views made; the project's own schedule has none of days."""
    made: QuerySet[IntervalSchedule] = IntervalSchedule.objects.filter(period="days")
    return made


def _post(client: APIClient | Client, body: Any = None, *, key: str | None = "k-1", address: str = PAUSES) -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(
        address, {"every": 1} if body is None else body, content_type="application/json", headers=headers
    )


@pytest.fixture
def client(auth_api: SignIn) -> Client:
    """A client that is signed in and sends bodies as they are."""
    return Client(headers={"authorization": f"Bearer {auth_api(Role.USER).access}"})


@pytest.fixture
def admin(auth_api: SignIn) -> Client:
    return Client(headers={"authorization": f"Bearer {auth_api(Role.ADMIN).access}"})


def test_a_second_try_gets_the_first_ones_answer_and_makes_nothing(client: Client) -> None:
    first, second = _post(client), _post(client)

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert first.headers["Location"] == second.headers["Location"] == f"{PAUSES}{_made().get().pk}/"
    assert ("Idempotent-Replayed" in first.headers, second.headers["Idempotent-Replayed"]) == (False, "true")
    assert second.headers["X-Request-ID"] != first.headers["X-Request-ID"]


def test_without_a_key_every_request_makes_one(client: Client) -> None:
    assert [_post(client, key=None).status_code for _ in range(2)] == [201, 201]
    assert (_made().count(), IdempotencyKey.objects.count()) == (2, 0)


def test_an_answer_without_a_body_and_a_location_is_replayed_as_such(admin: Client) -> None:
    first, second = [_post(admin, {}, address="/api/v1/shelves/1/silent/") for _ in range(2)]

    assert (first.status_code, first.content) == (second.status_code, second.content) == (202, b"")
    assert "Location" not in second.headers
    assert _made().count() == 1


@pytest.mark.parametrize(
    ("body", "address"),
    [
        ({"every": 2}, PAUSES),
        ({"every": 1, "note": None}, PAUSES),
        ({"every": 1}, "/api/v1/shelves/2/pauses/"),
        ({"every": 1}, f"{PAUSES}?dry=1"),
    ],
)
def test_a_key_that_stands_for_another_request_is_a_conflict(client: Client, body: Any, address: str) -> None:
    _post(client)

    refused = _post(client, body, address=address)

    assert problem(refused) == (409, "conflict")
    assert refused.json()["detail"] == "This Idempotency-Key stands for another request. Use a new one."
    assert _made().count() == 1


def test_the_same_body_in_another_spelling_is_the_same(client: Client) -> None:
    first = _post(client, '{"every": 1, "note": "\\u00e9"}')
    second = _post(client, '{"note":"é","every":1}')

    assert (second.status_code, second.content) == (201, first.content)


def test_the_same_key_elsewhere_is_another(admin: Client) -> None:
    _post(admin)

    assert _post(admin, {}, address="/api/v1/shelves/1/silent/").status_code == 202
    assert _made().count() == 2


def test_the_same_key_of_another_user_is_another(client: Client, admin: Client) -> None:
    first, second = _post(client), _post(admin)

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] != second.json()["id"]


@pytest.mark.parametrize(
    "key", ["k", "~" * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"', "!#$%&'()*+,-./:;<=>?@[]^_`{|}"]
)
def test_visible_characters_of_ascii_are_a_key(client: Client, key: str) -> None:
    assert [_post(client, key=key).status_code for _ in range(2)] == [201, 201]
    assert _made().count() == 1


@pytest.mark.parametrize("key", ["", " ", "a b", "a\tb", "~" * 256, "\x7f", "\x80", "ké", "k\x00", "k\n"])
def test_anything_else_is_refused_by_name(client: Client, key: str) -> None:
    assert wrong_fields(_post(client, key=key)) == {"Idempotency-Key": "invalid"}
    assert not _made().exists()


@pytest.mark.parametrize("method", ["get", "head"])
def test_reading_takes_no_notice_of_a_key(client: Client, method: str) -> None:
    assert getattr(client, method)(PAUSES, headers={"Idempotency-Key": ""}).status_code == 200


@pytest.mark.parametrize(
    ("body", "refusal"), [({"every": 0}, (400, "validation_error")), ({"every": TAKEN}, (409, "conflict"))]
)
def test_a_refusal_is_not_kept_and_what_it_did_is_undone(
    client: Client, body: dict[str, int], refusal: tuple[int, str]
) -> None:
    assert [problem(_post(client, body)) for _ in range(2)] == [refusal, refusal]
    assert (_made().count(), IdempotencyKey.objects.count()) == (0, 0)

    assert _post(client).status_code == 201


def test_a_refusal_that_a_view_answers_by_itself_is_not_kept_either(admin: Client) -> None:
    refused = _post(admin, {"refused": True}, address="/api/v1/shelves/1/silent/")

    assert refused.status_code == 409
    assert not IdempotencyKey.objects.exists()


def test_who_may_not_is_told_so_before_the_key_is_looked_at(client: Client, settings: Settings) -> None:
    def refusal(client: Client, body: str = "{", address: str = PAUSES) -> tuple[int, str]:
        return problem(_post(client, body, key="", address=address))

    assert refusal(Client()) == (401, "authentication_failed")
    assert refusal(client, address="/api/v1/shelves/1/silent/") == (403, "forbidden")
    assert refusal(client) == (400, "parse_error")
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"burst": (1, 60)}
    assert refusal(client) == (429, "throttled")


def test_a_body_of_nearly_a_mebibyte_is_replayed_whole(client: Client) -> None:
    body = json.dumps({"every": 1, "note": "\u2028é" * 170_000}, ensure_ascii=False)

    first, second = _post(client, body), _post(client, body)

    assert (second.status_code, second.headers["Idempotent-Replayed"]) == (201, "true")
    assert first.content == second.content


def test_what_was_answered_cannot_be_read_in_the_table(client: Client) -> None:
    _post(client, {"every": 1, "note": "canary"})

    [row] = IdempotencyKey.objects.extra(select={"stored": "answer"}).values_list("stored", flat=True)
    assert "canary" not in row
    assert "canary" in str(IdempotencyKey.objects.get().answer)


@pytest.mark.django_db(transaction=True)
def test_of_fifty_equal_requests_at_once_one_makes_a_row_and_none_is_a_fault(client: Client) -> None:
    answers = at_once(50, lambda _: _post(client))

    made = [answer for answer in answers if answer.status_code == 201]
    assert Counter("Idempotent-Replayed" in answer.headers for answer in made)[False] == 1
    assert len({answer.content for answer in made}) == 1
    assert {problem(answer) for answer in answers if answer not in made} <= {(409, "conflict")}
    assert _made().count() == 1
    assert _post(client).content == made[0].content


@pytest.mark.django_db(transaction=True)
def test_of_fifty_different_requests_under_one_key_at_once_one_is_done(client: Client) -> None:
    answers = at_once(50, lambda number: _post(client, {"every": number + 100}))

    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 49}
    assert _made().count() == 1


@pytest.mark.django_db(transaction=True)
def test_fifty_keys_at_once_make_fifty_rows(client: Client) -> None:
    answers = at_once(50, lambda number: _post(client, key=f"k-{number}"))

    assert {answer.status_code for answer in answers} == {201}
    assert _made().count() == 50


def test_a_browser_may_send_the_key(settings: Settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
    asked = {"origin": "https://app.example.com", "access-control-request-method": "POST"}

    allowed = Client().options(PAUSES, headers=asked).headers["Access-Control-Allow-Headers"]

    assert {"authorization", "content-type", "idempotency-key"} <= set(allowed.split(", "))


def test_the_document_tells_of_the_key_and_of_what_comes_of_it() -> None:
    document: Any = SchemaGenerator(patterns=urlpatterns).get_schema(public=True)
    item = document["paths"]["/api/v1/shelves/{shelf}/pauses/"]
    [key] = [parameter for parameter in item["post"]["parameters"] if parameter["in"] == "header"]

    assert (key["name"], key["schema"]) == ("Idempotency-Key", {"type": "string", "pattern": r"^[\x21-\x7e]{1,255}$"})
    assert not key.get("required", False)
    assert "Idempotent-Replayed" in item["post"]["responses"]["201"]["headers"]
    assert "Idempotent-Replayed" not in item["post"]["responses"]["409"].get("headers", {})
    assert "Conflict" in item["post"]["responses"]["409"]["content"]["application/problem+json"]["examples"]
    assert [parameter["name"] for parameter in item["get"]["parameters"]] == ["shelf"]
