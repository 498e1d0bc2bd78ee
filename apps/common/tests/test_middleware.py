import logging
from collections.abc import Callable, Sequence
from ipaddress import ip_network
from typing import Any, Final, cast
from uuid import UUID

import pytest
from csp.constants import NONCE
from csp.decorators import csp_exempt, csp_replace, csp_update
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from pytest_django import Settings
from rest_framework.test import APIClient

from apps.common.middleware import PolicyMiddleware, RequestContextMiddleware, resolve_client_address
from infrastructure import origin, redaction
from infrastructure.origin import Origin

pytestmark = pytest.mark.urls("apps.common.tests.support")

OPEN = "/api/v1/open/"
SECURITY_HEADERS = ["Content-Security-Policy", "Referrer-Policy", "X-Content-Type-Options", "X-Frame-Options"]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[Any]]:
    """A function that gives the events of the lines that were written for requests."""
    caplog.set_level(logging.INFO)
    return lambda: [record.msg for record in caplog.records if record.name == "layerline.request"]


@pytest.mark.parametrize("given", ["abc", "A-1_2.3", "x" * 128, "0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a10"])
def test_a_well_formed_request_id_is_kept_in_answer_error_and_log(
    api: APIClient, lines: Callable[[], list[Any]], given: str
) -> None:
    response = api.get("/api/v1/nowhere/", headers={"x-request-id": given})

    assert response.headers["X-Request-ID"] == given
    assert response.json()["request_id"] == given
    assert [line["request_id"] for line in lines()] == [given]


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a\nb", "a\x1b[31m", "ä", "a/b", "<script>", '"', "a,b"])
def test_any_other_request_id_is_replaced(api: APIClient, given: str) -> None:
    response = api.get("/api/v1/nowhere/", HTTP_X_REQUEST_ID=given)

    assert UUID(response.headers["X-Request-ID"]).version == 7
    assert response.json()["request_id"] == response.headers["X-Request-ID"]


def test_each_request_has_an_id_of_its_own(api: APIClient) -> None:
    assert api.get(OPEN).headers["X-Request-ID"] != api.get(OPEN).headers["X-Request-ID"]


def test_a_request_is_one_line_with_what_it_was_and_how_it_ended(
    api: APIClient, lines: Callable[[], list[Any]]
) -> None:
    api.get("/api/v1/things/7/?token=canary")

    (line,) = lines()
    assert line["event"] == "request"
    assert (line["method"], line["path"], line["status"]) == ("GET", "/api/v1/things/7/", 405)
    assert line["route"] == "api/v1/things/<int:number>/"
    assert 0 <= line["duration_ms"] < 5_000
    assert "user_id" not in line
    assert "canary" not in str(line)


def test_a_request_of_a_user_names_him_by_his_id_alone(auth_api: Any, lines: Callable[[], list[Any]]) -> None:
    client = auth_api()

    client.get("/api/v1/mine/")
    APIClient().get(OPEN)

    signed_in, anonymous = lines()
    assert signed_in["user_id"] == str(client.user.id)
    assert client.user.email not in str(signed_in)
    assert "user_id" not in anonymous


def test_a_request_that_no_view_took_has_no_route(api: APIClient, lines: Callable[[], list[Any]]) -> None:
    Client(headers={"host": "evil.example.com"}).get(OPEN)

    (line,) = lines()
    assert (line["route"], line["status"]) == (None, 400)


@pytest.mark.parametrize(
    "path",
    [OPEN, "/api/v1/nowhere/", "/api/v1/things/1/", "/api/v1/mine/", "/api/v1/faults/unforeseen/", "/api/nowhere"],
)
def test_headers_of_security_stand_on_every_answer(path: str) -> None:
    response = APIClient(raise_request_exception=False).get(path)

    assert [name for name in SECURITY_HEADERS if name not in response.headers] == []


@pytest.mark.parametrize("path", [OPEN, "/api/v1/nowhere/", "/api/v1/mine/", "/api/v1/things/1/"])
def test_nothing_below_the_version_is_kept_by_a_cache(api: APIClient, path: str) -> None:
    assert api.get(path).headers["Cache-Control"] == "no-store"


def test_what_lies_outside_of_the_version_may_be_kept(api: APIClient) -> None:
    assert "Cache-Control" not in api.get("/api/problems/").headers


def test_a_page_that_knows_other_methods_names_them_in_its_problem(api: APIClient) -> None:
    response = api.post("/api/problems/")

    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, HEAD"
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "method_not_allowed"
    assert int(response.headers.get("Content-Length", len(response.content))) == len(response.content)


def test_an_error_outside_of_the_api_keeps_its_page(client: Client) -> None:
    response = client.get("/nowhere/")

    assert (response.status_code, response.headers["Content-Type"]) == (404, "text/html; charset=utf-8")


def addressed(
    settings: Settings, *, peer: str, forwarded: str | None, trusted: Sequence[str] = ("10.0.0.0/8", "fd00::/8")
) -> Any:
    """Return what the request knows of its client once the middleware has looked at it."""
    settings.TRUSTED_PROXIES = [ip_network(network) for network in trusted]
    headers: dict[str, Any] = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    request = RequestFactory().get("/", REMOTE_ADDR=peer, **headers)
    resolve_client_address(request)
    return request.META["REMOTE_ADDR"]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        # Nobody vouches for what a stranger writes.
        ("203.0.113.9", None, "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("203.0.113.9", "10.0.0.1", "203.0.113.9"),
        ("2001:db8::9", "198.51.100.1", "2001:db8::9"),
        ("::ffff:203.0.113.9", "198.51.100.1", "::ffff:203.0.113.9"),
        ("", "198.51.100.1", ""),
        ("unix:", "198.51.100.1", "unix:"),
        # A trusted proxy vouches for the entry it appended, and for no other.
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", " , ", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1,203.0.113.9,10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "2001:db8::9", "2001:db8::9"),
        ("fd00::1", "203.0.113.9", "203.0.113.9"),
        ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9, ::ffff:10.0.0.2", "203.0.113.9"),
        # What is no address ends the chain.
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9:1234", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9, canary", "10.0.0.1"),
        ("10.0.0.1", "canary, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9, canary, 10.0.0.2", "10.0.0.2"),
    ],
)
def test_the_client_is_the_first_address_that_no_trusted_proxy_stands_behind(
    settings: Settings, peer: str, forwarded: str | None, client: str
) -> None:
    assert addressed(settings, peer=peer, forwarded=forwarded) == client


def test_without_trusted_proxies_nobody_is_believed(settings: Settings) -> None:
    assert addressed(settings, peer="10.0.0.1", forwarded="203.0.113.9", trusted=()) == "10.0.0.1"


FORWARDING: Final[dict[str, Any]] = {
    "HTTP_X_FORWARDED_FOR": "198.51.100.1",
    "HTTP_X_FORWARDED_PROTO": "https",
    "HTTP_X_FORWARDED_HOST": "evil.example.com",
    "HTTP_FORWARDED": "for=198.51.100.1;proto=https",
}


def test_forwarding_headers_of_a_stranger_are_taken_away(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.0/8")]
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    strange = RequestFactory().get("/", REMOTE_ADDR="203.0.113.9", **FORWARDING)
    trusted = RequestFactory().get("/", REMOTE_ADDR="10.0.0.1", **FORWARDING)

    resolve_client_address(strange)
    resolve_client_address(trusted)

    assert [name for name in FORWARDING if name in strange.META] == []
    assert not strange.is_secure()
    assert trusted.is_secure()


@pytest.mark.parametrize(
    ("address", "user_agent", "expected"),
    [
        ("192.0.2.1", "curl/8.5", Origin("192.0.2.1", "curl/8.5")),
        ("2001:db8::1", "", Origin("2001:db8::1", "")),
        # As servers on `::` and on link-local addresses write them.
        ("::ffff:192.0.2.1", "", Origin("192.0.2.1", "")),
        ("fe80::1%eth0", "", Origin("fe80::1", "")),
        # A Unix socket has no address.
        ("", "", Origin(None, "")),
        ("192.0.2.1", "a\x00b\x1b[31m\nc", Origin("192.0.2.1", "ab[31mc")),
        ("192.0.2.1", "x" * 300, Origin("192.0.2.1", "x" * 256)),
    ],
)
def test_the_origin_is_known_while_the_request_is_answered_and_no_longer(
    address: str, user_agent: str, expected: Origin
) -> None:
    seen: list[Origin] = []

    def answer(_: HttpRequest) -> HttpResponse:
        seen.append(origin.current())
        return HttpResponse()

    RequestContextMiddleware(answer)(RequestFactory().get("/", REMOTE_ADDR=address, HTTP_USER_AGENT=user_agent))

    assert seen == [expected]
    assert origin.current() == Origin()


def test_what_a_body_sent_as_a_secret_is_hidden_until_the_next_request(api: APIClient) -> None:
    api.post("/api/v1/echo/", {"password": "nine hundred lanterns", "name": "Ada Lovelace"})
    hidden = redaction.text("nine hundred lanterns of Ada Lovelace")
    api.get(OPEN)

    assert hidden == "<hidden> of Ada Lovelace"
    assert redaction.text("nine hundred lanterns") == "nine hundred lanterns"


def test_what_a_form_sent_as_a_secret_is_hidden_where_its_view_fails() -> None:
    request = RequestFactory().post("/form/", {"password": "nine hundred lanterns"})
    middleware = RequestContextMiddleware(lambda _: HttpResponse())

    middleware.process_exception(request, ValueError())
    unread = redaction.text("nine hundred lanterns")
    assert request.POST
    middleware.process_exception(request, ValueError())

    assert (unread, redaction.text("nine hundred lanterns")) == ("nine hundred lanterns", "<hidden>")


def _answered(view: Callable[[HttpRequest], HttpResponse], path: str = OPEN) -> HttpResponse:
    return cast("HttpResponse", PolicyMiddleware(view)(RequestFactory().get(path)))


def _says_nonce(request: Any) -> HttpResponse:
    return HttpResponse(str(request.csp_nonce))


@pytest.mark.parametrize(
    ("view", "shown"),
    [
        (lambda _: HttpResponse(), "script-src 'none'"),
        (csp_update({"img-src": "https://img.example"})(lambda _: HttpResponse()), "img-src https://img.example"),
        (csp_replace({"script-src": ["'self'"]})(lambda _: HttpResponse()), "script-src 'self'"),
        (csp_exempt()(lambda _: HttpResponse()), None),
        (lambda _: HttpResponse(headers={"Content-Security-Policy": "of its own"}), "of its own"),
    ],
)
def test_an_answer_may_ask_for_a_policy_of_its_own(settings: Settings, view: Any, shown: str | None) -> None:
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": {"script-src": ["'none'"]}}

    policy = _answered(view).headers.get("Content-Security-Policy", "")

    assert policy == "" if shown is None else shown in policy


def test_a_nonce_that_a_page_used_stands_in_its_policy(settings: Settings) -> None:
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": {"script-src": ["'self'", NONCE]}}

    response = _answered(_says_nonce)

    assert f"'nonce-{response.content.decode()}'" in response.headers["Content-Security-Policy"]


def test_paths_can_be_left_out_and_a_second_policy_only_reports(settings: Settings) -> None:
    settings.CONTENT_SECURITY_POLICY = {"EXCLUDE_URL_PREFIXES": ["/free/"], "DIRECTIVES": {"img-src": ["'self'"]}}
    settings.CONTENT_SECURITY_POLICY_REPORT_ONLY = {"DIRECTIVES": {"img-src": ["'none'"]}}

    bound, free = (_answered(lambda _: HttpResponse(), path).headers for path in (OPEN, "/free/"))

    assert "img-src 'self'" in bound["Content-Security-Policy"]
    assert "img-src 'none'" in bound["Content-Security-Policy-Report-Only"]
    assert "Content-Security-Policy" not in free


def test_a_page_of_an_allowed_origin_may_read_the_answer_and_no_other(api: APIClient, settings: Settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example"]
    origins = {None: None, "https://app.example": "https://app.example", "https://evil.example": None}

    for origin_sent, allowed in origins.items():
        response = APIClient(headers={} if origin_sent is None else {"origin": origin_sent}).get(OPEN)
        assert response.headers.get("Access-Control-Allow-Origin") == allowed
        assert "origin" in response.headers["Vary"].lower()
    preflight = APIClient(headers={"access-control-request-method": "GET"}).options(OPEN)
    assert (preflight.status_code, preflight.headers["Content-Length"]) == (200, "0")


@pytest.mark.django_db
def test_the_api_looks_at_no_cookie(django_assert_num_queries: Any) -> None:
    client = Client()
    client.cookies["sessionid"] = "a" * 32
    with django_assert_num_queries(0):
        response = client.get(OPEN)

    assert response.status_code == 200
    assert "cookie" not in response.headers.get("Vary", "").lower()
    assert response.cookies == {}
