from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import Settings
from rest_framework.request import Request
from rest_framework.test import APIClient, APIRequestFactory
from rest_framework.views import APIView
from uuid6 import uuid7

from apps.common.tests.support import send
from apps.common.throttling import (
    BurstUserThrottle,
    LoginThrottle,
    MfaThrottle,
    PasswordThrottle,
    RegisterThrottle,
    ResetThrottle,
    RevocationThrottle,
    ScopedThrottle,
    SustainedUserThrottle,
    Tally,
    VerifyThrottle,
    WhenRedisIsAway,
    tally_of,
)
from infrastructure.ratelimit import NO_LIMITS, RateLimiterUnavailable, hit

pytestmark = pytest.mark.urls("apps.common.tests.support")

OPEN = "/api/v1/open/"
LOGIN = "/api/v1/login-like/"
REGISTER = "/api/v1/register-like/"

type SetRates = Callable[..., None]


@pytest.fixture
def rates(settings: Settings) -> SetRates:
    """A function that sets limits as `scope=(count, seconds)`; all others stay out of the way."""

    def set_rates(**limits: tuple[int, int]) -> None:
        settings.THROTTLE_RATES = {**settings.THROTTLE_RATES, **limits}

    return set_rates


def statuses(client: APIClient, path: str, times: int, **extra: Any) -> list[int]:
    return [client.get(path, **extra).status_code for _ in range(times)]


def login(client: APIClient, email: Any, **extra: Any) -> int:
    status: int = client.post(LOGIN, {"email": email}, **extra).status_code
    return status


def test_the_request_past_the_limit_is_refused_and_told_when_to_come_back(api: APIClient, rates: SetRates) -> None:
    rates(anonymous_burst=(3, 60))

    assert statuses(api, OPEN, 3) == [200, 200, 200]
    response = api.get(OPEN)

    assert response.status_code == 429
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "throttled"
    assert 58 <= int(response.headers["Retry-After"]) <= 60
    assert response.headers["RateLimit-Policy"].startswith('"anonymous_burst";q=3;w=60, "anonymous_sustained";q=')
    assert response.headers["RateLimit"].startswith('"anonymous_burst";r=0;t=')


def test_a_counted_answer_tells_what_is_left(api: APIClient, rates: SetRates) -> None:
    rates(anonymous_burst=(3, 60), anonymous_sustained=(5, 86_400))

    response = api.get(OPEN)

    assert response.status_code == 200
    assert response.headers["RateLimit-Policy"] == '"anonymous_burst";q=3;w=60, "anonymous_sustained";q=5;w=86400'
    assert response.headers["RateLimit"] == '"anonymous_burst";r=2;t=60, "anonymous_sustained";r=4;t=86400'


def test_the_longer_limit_holds_after_the_shorter_one_has_gone(api: APIClient, rates: SetRates) -> None:
    rates(anonymous_burst=(100, 60), anonymous_sustained=(2, 86_400))

    assert statuses(api, OPEN, 3) == [200, 200, 429]
    assert int(api.get(OPEN).headers["Retry-After"]) > 86_000


def test_a_refused_request_costs_nothing_in_the_other_limits(api: APIClient, rates: SetRates) -> None:
    rates(anonymous_burst=(1, 60), anonymous_sustained=(3, 86_400))

    statuses(api, OPEN, 5)
    rates(anonymous_burst=(100, 61))

    assert statuses(api, OPEN, 3) == [200, 200, 429]


def test_each_address_has_limits_of_its_own(api: APIClient, rates: SetRates) -> None:
    rates(anonymous_burst=(1, 60))

    assert statuses(api, OPEN, 2, REMOTE_ADDR="203.0.113.1") == [200, 429]
    assert statuses(api, OPEN, 2, REMOTE_ADDR="203.0.113.2") == [200, 429]


def test_the_addresses_of_one_ipv6_customer_share_theirs(api: APIClient, rates: SetRates) -> None:
    rates(anonymous_burst=(1, 60))

    assert statuses(api, OPEN, 1, REMOTE_ADDR="2001:db8:1:2::1") == [200]
    assert statuses(api, OPEN, 1, REMOTE_ADDR="2001:db8:1:2:ffff::9") == [429]
    assert statuses(api, OPEN, 1, REMOTE_ADDR="2001:db8:1:3::1") == [200]


def test_an_ipv4_address_is_the_same_over_a_socket_of_ipv6(api: APIClient, rates: SetRates) -> None:
    rates(anonymous_burst=(1, 60))

    assert statuses(api, OPEN, 1, REMOTE_ADDR="203.0.113.1") == [200]
    assert statuses(api, OPEN, 1, REMOTE_ADDR="::ffff:203.0.113.1") == [429]


@pytest.mark.parametrize("header", ["HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_CLIENT_IP"])
def test_forged_forwarding_headers_gain_nothing(api: APIClient, rates: SetRates, header: str) -> None:
    rates(anonymous_burst=(2, 60))

    answers = [send(api, "GET", OPEN, b"", **{header: f"198.51.100.{number}"}).status_code for number in range(5)]

    assert answers == [200, 200, 429, 429, 429]


def test_a_user_is_counted_wherever_he_comes_from(auth_api: Any, rates: SetRates) -> None:
    client, other = auth_api(), auth_api()
    rates(burst=(2, 60), anonymous_burst=(1, 60))

    answers = [client.get(OPEN, REMOTE_ADDR=f"203.0.113.{number}").status_code for number in range(3)]

    assert answers == [200, 200, 429]
    assert statuses(other, OPEN, 2) == [200, 200]


def test_a_bad_token_counts_against_its_address(api: APIClient, rates: SetRates) -> None:
    rates(anonymous_burst=(2, 60))

    answers = [api.get("/api/v1/mine/", HTTP_AUTHORIZATION=f"Bearer x{number}").status_code for number in range(4)]

    assert answers == [401, 401, 429, 429]


@pytest.mark.parametrize("path", ["/api/v1/nowhere/", "/health/live/", "/api/problems/"])
def test_what_is_no_view_of_the_api_is_not_counted(api: APIClient, rates: SetRates, path: str) -> None:
    rates(anonymous_burst=(1, 60))

    assert 429 not in statuses(api, path, 3)


def test_an_account_is_limited_at_one_address(api: APIClient, rates: SetRates) -> None:
    rates(login=(2, 60), login_address=(100, 60))

    assert [login(api, "ada@example.com") for _ in range(3)] == [200, 200, 429]
    assert login(api, "bob@example.com") == 200
    assert login(api, "ada@example.com", REMOTE_ADDR="203.0.113.2") == 200


def test_all_accounts_of_an_address_are_limited_together(api: APIClient, rates: SetRates) -> None:
    rates(login=(100, 60), login_address=(3, 60))

    assert [login(api, f"user{number}@example.com") for number in range(4)] == [200, 200, 200, 429]


def test_another_spelling_of_an_account_is_the_same_account(api: APIClient, rates: SetRates) -> None:
    rates(login=(5, 60))

    spellings = ["ada@example.com", "ADA@EXAMPLE.COM", " Ada@Example.com ", "ａda@example.com", "ADA@ｅxample.com"]

    assert [login(api, spelling) for spelling in spellings] == [200] * 5
    assert login(api, "aDa@example.com") == 429


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b"null", b'"ada@example.com"', b'{"email": 1}', b'{"email": null}', b'{"email": ["a"]}', b"{}"],
)
def test_a_body_that_names_no_account_counts_against_its_address(api: APIClient, rates: SetRates, body: bytes) -> None:
    rates(login=(1, 60), login_address=(2, 60))

    answers = [send(api, "POST", LOGIN, body).status_code for _ in range(3)]

    assert answers[2] == 429
    assert 429 not in answers[:2]


def test_a_body_of_another_type_counts_too(api: APIClient, rates: SetRates) -> None:
    rates(login_address=(1, 60))

    answers = [send(api, "POST", LOGIN, b"x" * 2_000_000, content_type="text/plain").status_code for _ in range(2)]

    assert answers == [415, 429]


@pytest.mark.usefixtures("redis_away")
def test_without_redis_reads_are_served_uncounted(api: APIClient, rates: SetRates) -> None:
    rates(anonymous_burst=(1, 60))

    response = api.get(OPEN)

    assert response.status_code == 200
    assert "RateLimit" not in response.headers
    assert statuses(api, OPEN, 3) == [200, 200, 200]


@pytest.mark.usefixtures("redis_away")
def test_without_redis_a_login_is_refused_for_the_time_being(api: APIClient) -> None:
    response = api.post(LOGIN, {"email": "ada@example.com"})

    assert response.status_code == 503
    assert response.json()["code"] == "service_unavailable"
    assert response.headers["Retry-After"] == "5"


@pytest.mark.usefixtures("redis_away")
def test_without_redis_a_registration_is_counted_here_against_a_tenth(api: APIClient, rates: SetRates) -> None:
    # An address of its own: the process remembers it beyond this test.
    rates(register=(1_000, 60), register_address=(20, 60))

    answers = [api.post(REGISTER, {"email": "a@b.de"}, REMOTE_ADDR="198.51.100.77") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 0 < int(answers[2].headers["Retry-After"]) <= 60


@pytest.mark.parametrize(
    ("throttle", "policy"),
    [
        (BurstUserThrottle, WhenRedisIsAway.SERVE),
        (SustainedUserThrottle, WhenRedisIsAway.SERVE),
        (RegisterThrottle, WhenRedisIsAway.COUNT_HERE),
        (ResetThrottle, WhenRedisIsAway.COUNT_HERE),
        (VerifyThrottle, WhenRedisIsAway.COUNT_HERE),
        (PasswordThrottle, WhenRedisIsAway.REFUSE),
        (LoginThrottle, WhenRedisIsAway.REFUSE),
        (MfaThrottle, WhenRedisIsAway.REFUSE),
        (RevocationThrottle, WhenRedisIsAway.REFUSE),
    ],
)
def test_each_limit_knows_what_it_does_without_redis(throttle: type[ScopedThrottle], policy: WhenRedisIsAway) -> None:
    assert throttle.when_redis_is_away is policy


@pytest.mark.parametrize(
    "throttle",
    [
        BurstUserThrottle,
        SustainedUserThrottle,
        RevocationThrottle,
        LoginThrottle,
        RegisterThrottle,
        ResetThrottle,
        VerifyThrottle,
        PasswordThrottle,
        MfaThrottle,
    ],
)
def test_no_limit_carries_a_rate_of_its_own(throttle: type[ScopedThrottle]) -> None:
    assert not hasattr(throttle, "rate")
    assert not hasattr(throttle, "THROTTLE_RATES")


_NAMES = {"email": "ada@example.com", "mfa_token": "eyJ"}


@pytest.mark.parametrize(
    ("throttle", "anonymous", "signed_in"),
    [
        (BurstUserThrottle, ["anonymous_burst"], ["burst"]),
        (ResetThrottle, ["reset_address", "reset"], ["reset_address", "reset"]),
        (VerifyThrottle, ["verify_address"], ["verify_address", "verify"]),
        (PasswordThrottle, [], ["password"]),
        (MfaThrottle, ["mfa_address", "mfa"], ["mfa_address", "mfa"]),
    ],
)
def test_a_limit_names_whom_it_counts(
    throttle: type[ScopedThrottle], anonymous: list[str], signed_in: list[str]
) -> None:
    request = APIView().initialize_request(APIRequestFactory().post("/", _NAMES))

    assert [limit.scope for limit in throttle().limits(request, None)] == anonymous
    assert [limit.scope for limit in throttle().limits(request, uuid7())] == signed_in


def test_a_limit_used_outside_of_the_base_view_counts_as_well(rates: SetRates) -> None:
    rates(anonymous_burst=(1, 60))
    request = Request(APIRequestFactory().get("/"))
    first, second = BurstUserThrottle(), BurstUserThrottle()
    view: Any = None

    assert first.allow_request(request, view)
    assert not second.allow_request(request, view)
    assert 0 < second.wait() <= 60


def test_no_limits_let_everything_pass() -> None:
    assert Tally(Request(APIRequestFactory().get("/")), []).verdict(None) == NO_LIMITS


def test_a_request_is_counted_once_however_often_its_verdict_is_asked_for(rates: SetRates) -> None:
    rates(anonymous_burst=(1, 60))
    tally = Tally(Request(APIRequestFactory().get("/")), [BurstUserThrottle()])

    assert [tally.verdict(None).allowed for _ in range(3)] == [True, True, True]


def test_what_was_counted_on_the_way_is_not_counted_again(rates: SetRates) -> None:
    rates(burst=(5, 60))
    user_id = uuid7()
    tally = Tally(Request(APIRequestFactory().get("/")), [BurstUserThrottle()])

    verdict = hit(tally.limits(user_id))
    tally.counted(user_id, verdict)

    assert tally.verdict(user_id) is verdict
    assert verdict.states[0].remaining == 4


@pytest.mark.parametrize("throttle", [RevocationThrottle, RegisterThrottle, BurstUserThrottle])
def test_whoever_found_redis_away_leaves_the_decision_to_the_limits(throttle: type[ScopedThrottle]) -> None:
    tally = Tally(Request(APIRequestFactory().get("/", REMOTE_ADDR="198.51.100.78")), [throttle()])
    user_id = uuid7()
    tally.counted(user_id, None)

    if throttle is RevocationThrottle:
        with pytest.raises(RateLimiterUnavailable):
            tally.verdict(user_id)
    else:
        assert tally.verdict(user_id).allowed
        assert bool(tally.verdict(user_id).states) is (throttle is RegisterThrottle)


def test_a_request_that_no_base_view_has_seen_counts_against_nothing() -> None:
    assert tally_of(Request(APIRequestFactory().get("/"))).limits(uuid7()) == []


def test_a_limit_must_say_what_it_counts() -> None:
    with pytest.raises(NotImplementedError):
        ScopedThrottle().limits(Request(APIRequestFactory().get("/")), None)
