from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from apps.common.enums import Role
from apps.common.tests.support import send

pytestmark = pytest.mark.urls("apps.common.tests.support")

THING = "/api/v1/things/1/"
OPEN = "/api/v1/open/"
ADDRESS = "203.0.113.50"

type SignIn = Callable[[Role], Any]


@pytest.fixture
def admin(auth_api: SignIn) -> APIClient:
    client: APIClient = auth_api(Role.ADMIN)
    return client


@pytest.fixture
def exhausted_admin(admin: APIClient, settings: Settings) -> APIClient:
    """An admin who has used up his limit."""
    settings.THROTTLE_RATES = {**settings.THROTTLE_RATES, "burst": (1, 60)}
    assert admin.get(OPEN).status_code == 200
    return admin


@pytest.fixture
def exhausted_user(auth_api: SignIn, settings: Settings) -> APIClient:
    """A user without a role who has used up his limit."""
    client: APIClient = auth_api(Role.USER)
    settings.THROTTLE_RATES = {**settings.THROTTLE_RATES, "burst": (1, 60)}
    assert client.get(OPEN).status_code == 200
    return client


@pytest.fixture
def stranger() -> APIClient:
    """Somebody with a token that is none, at an address that has not asked before."""
    return APIClient(headers={"authorization": "Bearer nonsense"}, REMOTE_ADDR=ADDRESS)


@pytest.fixture
def exhausted_stranger(stranger: APIClient, settings: Settings) -> APIClient:
    """Somebody with a token that is none, at an address that has used up its limit."""
    settings.THROTTLE_RATES = {**settings.THROTTLE_RATES, "anonymous_burst": (1, 60)}
    assert APIClient(REMOTE_ADDR=ADDRESS).get(OPEN).status_code == 200
    return stranger


def refusal(client: APIClient, method: str, path: str, body: bytes = b"{", **extra: Any) -> tuple[int, str]:
    """Return status and code of a request, whose body is broken unless one is given."""
    response = send(client, method, path, body, **extra)
    assert response.headers["Content-Type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


# Each test breaks one rule and, where a request can, every rule that comes after it.


def test_first_comes_the_path(exhausted_stranger: APIClient) -> None:
    assert refusal(exhausted_stranger, "PATCH", "/api/v1/nowhere/", HTTP_ACCEPT="image/png") == (404, "not_found")


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get"])
def test_then_the_verb(exhausted_stranger: APIClient, method: str) -> None:
    assert refusal(exhausted_stranger, method, THING, HTTP_ACCEPT="image/png") == (405, "method_not_allowed")


def test_a_refused_verb_is_told_which_ones_there_are(exhausted_stranger: APIClient) -> None:
    assert exhausted_stranger.post(THING).headers["Allow"] == "PUT"
    assert exhausted_stranger.post(OPEN).headers["Allow"] == "GET, HEAD"


def test_then_the_form_of_the_answer(exhausted_stranger: APIClient) -> None:
    assert refusal(exhausted_stranger, "PUT", THING, HTTP_ACCEPT="image/png") == (406, "not_acceptable")


def test_then_the_limit_of_the_address(exhausted_stranger: APIClient) -> None:
    assert refusal(exhausted_stranger, "PUT", THING) == (429, "throttled")


def test_then_the_token(stranger: APIClient) -> None:
    assert refusal(stranger, "PUT", THING) == (401, "token_invalid")
    assert refusal(APIClient(), "PUT", THING) == (401, "authentication_failed")


def test_then_the_role(exhausted_user: APIClient) -> None:
    assert refusal(exhausted_user, "PUT", THING) == (403, "forbidden")


def test_then_the_limit_of_the_user(exhausted_admin: APIClient) -> None:
    assert refusal(exhausted_admin, "PUT", THING) == (429, "throttled")


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b"x" * (1024 * 1024 + 1), "application/json", (413, "payload_too_large")),
        (b"{}", "text/plain", (415, "unsupported_media_type")),
        (b"{}", "application/json; charset=latin-1", (415, "unsupported_media_type")),
        (b"{", "application/json", (400, "parse_error")),
    ],
)
def test_then_the_body_before_the_object(
    admin: APIClient, body: bytes, content_type: str, expected: tuple[int, str]
) -> None:
    assert refusal(admin, "PUT", "/api/v1/things/404/", body, content_type=content_type) == expected


def test_then_the_object(admin: APIClient) -> None:
    assert refusal(admin, "PUT", "/api/v1/things/404/", b'{"rank": 1}') == (404, "not_found")


@pytest.mark.parametrize("body", [b"{}", b'{"name": "taken", "rank": 1}', b"[]", b"null", b'"x"', b"1", b""])
def test_then_the_fields(admin: APIClient, body: bytes) -> None:
    assert refusal(admin, "PUT", THING, body) == (400, "validation_error")


def test_the_conflict_comes_last(admin: APIClient) -> None:
    assert refusal(admin, "PUT", THING, b'{"name": "taken"}') == (409, "conflict")


def test_a_request_that_breaks_no_rule_is_answered(admin: APIClient) -> None:
    response = admin.put(THING, {"name": "new"})

    assert (response.status_code, response.json()) == (200, {"name": "new"})
    assert response.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        (b"{}", [{"field": "name", "code": "required", "detail": "This field is required."}]),
        (b"null", [{"field": "", "code": "null", "detail": "No data provided"}]),
        (
            b"[1]",
            [{"field": "", "code": "invalid", "detail": "Invalid data. Expected a dictionary, but got list."}],
        ),
        (
            b'{"name": "n", "rank": 1}',
            [{"field": "rank", "code": "unknown", "detail": "This field is not known here."}],
        ),
    ],
)
def test_a_refused_body_is_told_what_is_wrong_with_each_field(
    admin: APIClient, body: bytes, errors: list[dict[str, str]]
) -> None:
    assert send(admin, "PUT", THING, body).json()["errors"] == errors


def test_a_user_is_counted_once_for_each_request(admin: APIClient, settings: Settings) -> None:
    settings.THROTTLE_RATES = {**settings.THROTTLE_RATES, "burst": (3, 60), "anonymous_burst": (1, 60)}

    answers = [admin.get(OPEN).headers["RateLimit"].split(",")[0] for _ in range(3)]

    assert answers == ['"burst";r=2;t=60', '"burst";r=1;t=60', '"burst";r=0;t=60']


@pytest.mark.parametrize("name", ["xml", "json", "api", ""])
def test_the_form_of_an_answer_is_no_matter_of_the_address(api: APIClient, name: str) -> None:
    response = api.get(f"{OPEN}?format={name}")

    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")


def test_a_get_needs_no_readable_body(admin: APIClient) -> None:
    response = send(admin, "GET", OPEN, b"{")

    assert (response.status_code, response.json()) == (200, {"signed_in": True})


def test_a_head_is_answered_like_a_get_without_its_body(api: APIClient) -> None:
    response = api.head(OPEN)

    assert (response.status_code, response.content) == (200, b"")


def test_the_owner_of_an_address_is_let_in_and_nobody_else(auth_api: SignIn) -> None:
    owner, other = auth_api(Role.USER), auth_api(Role.MODERATOR)
    path = f"/api/v1/owned/{owner.user.id}/"

    assert owner.get(path).status_code == 200
    assert refusal(other, "GET", path) == (403, "forbidden")
    assert refusal(other, "GET", "/api/v1/owned/0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a10/") == (403, "forbidden")


@pytest.mark.parametrize(
    "path", ["/api", "/api/v1", "/api//", "/api/v1/%00/", "/api/v1/open/%0a", "/api/v1/../v1/open/"]
)
def test_odd_paths_are_unknown(api: APIClient, path: str) -> None:
    assert api.get(path).status_code == 404
