import re
from ipaddress import ip_network
from typing import Any

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from apps.common import throttling
from apps.common.enums import Role
from apps.common.tests.races import at_once
from apps.users.models import User
from apps.users.tests.factories import PASSWORD, UserFactory
from apps.users.tests.support import SignIn, problem

LOGIN = "/api/v1/auth/login/"
REGISTER = "/api/v1/auth/register/"
REFRESH = "/api/v1/auth/refresh/"
ME = "/api/v1/auth/me/"


@pytest.fixture
def rates(settings: Settings) -> dict[str, tuple[int, int]]:
    """The rates of production, which the test settings put out of the way."""
    settings.THROTTLE_RATES = {
        "login": (10, 60),
        "login_address": (20, 60),
        "login_failures": (100, 3_600),
        "register": (10, 60),
        "register_address": (20, 60),
        "burst": (60, 60),
        "sustained": (1_000, 86_400),
        "anonymous_burst": (60, 60),
        "anonymous_sustained": (10_000, 86_400),
    }
    return dict(settings.THROTTLE_RATES)


def _login(client: APIClient, email: str = "ada@example.com", **extra: Any) -> int:
    return client.post(LOGIN, {"email": email, "password": "not the one at all"}, **extra).status_code


@pytest.mark.django_db
def test_the_eleventh_login_of_an_account_is_refused_and_the_right_password_does_not_help(
    api: APIClient, rates: object
) -> None:
    UserFactory.create(email="ada@example.com")
    assert [_login(api) for _ in range(10)] == [401] * 10

    response = api.post(LOGIN, {"email": "ada@example.com", "password": PASSWORD})

    assert problem(response) == (429, "throttled")
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    assert _login(api, "bob@example.com") == 401


@pytest.mark.django_db
def test_every_spelling_of_an_address_counts_as_the_same_account(api: APIClient, rates: object) -> None:
    spellings = ["ada@example.com", "ADA@example.com", " Ada@Example.COM ", "ａｄａ@example.com", "ＡＤＡ＠example.com"]

    statuses = [_login(api, spellings[number % 5]) for number in range(15)]

    assert statuses == [401] * 10 + [429] * 5


@pytest.mark.django_db
def test_an_unknown_account_is_counted_like_a_known_one(api: APIClient, rates: object) -> None:
    UserFactory.create(email="ada@example.com")

    known = [_login(api, "ada@example.com", REMOTE_ADDR="203.0.113.1") for _ in range(12)]
    unknown = [_login(api, "nobody@example.com", REMOTE_ADDR="203.0.113.2") for _ in range(12)]

    assert known == unknown == [401] * 10 + [429] * 2


@pytest.mark.django_db
def test_one_address_gets_no_more_than_its_own_limit_over_all_accounts(api: APIClient, rates: object) -> None:
    statuses = [_login(api, f"user{number}@example.com") for number in range(25)]

    assert statuses == [401] * 20 + [429] * 5


@pytest.mark.django_db
@pytest.mark.parametrize("email", [None, 7, ["ada@example.com"], {"a": 1}])
def test_a_body_without_an_address_counts_against_the_callers_address(
    api: APIClient, rates: object, email: object
) -> None:
    statuses = [api.post(LOGIN, {"email": email, "password": "x"}).status_code for _ in range(22)]

    assert statuses == [400] * 20 + [429] * 2


@pytest.mark.django_db(transaction=True)
def test_of_two_hundred_simultaneous_logins_exactly_ten_pass(rates: object) -> None:
    UserFactory.create(email="ada@example.com")

    answers = at_once(
        200, lambda _: APIClient().post(LOGIN, {"email": "ada@example.com", "password": "not the one at all"})
    )

    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [401] * 10 + [429] * 190
    refused = [answer for answer in answers if answer.status_code == 429]
    assert {problem(answer) for answer in refused} == {(429, "throttled")}
    assert all(1 <= int(answer.headers["Retry-After"]) <= 60 for answer in refused)


@pytest.mark.django_db(transaction=True)
def test_of_simultaneous_registrations_of_one_address_exactly_ten_are_tried(rates: object) -> None:
    body = {"email": "ada@example.com", "name": "Ada", "password": PASSWORD}

    statuses = sorted(at_once(60, lambda _: APIClient().post(REGISTER, body).status_code))

    assert statuses == [201] + [409] * 9 + [429] * 50
    assert User.objects.count() == 1


@pytest.mark.django_db
def test_forged_forwarding_headers_gain_nothing(api: APIClient, rates: object) -> None:
    statuses = [
        _login(
            api,
            f"user{number}@example.com",
            HTTP_X_FORWARDED_FOR=f"198.51.100.{number}",
            HTTP_FORWARDED=f"for=198.51.100.{number}",
            HTTP_X_REAL_IP=f"198.51.100.{number}",
        )
        for number in range(25)
    ]

    assert statuses == [401] * 20 + [429] * 5


@pytest.mark.django_db
def test_behind_trusted_proxies_the_hop_they_vouch_for_is_counted(
    api: APIClient, rates: object, settings: Settings
) -> None:
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.0/8")]

    def login(number: int, client: str) -> int:
        # What stands left of the client's own address was written by the client.
        hops = f"198.51.100.{number}, {client}, 10.0.0.2"
        return _login(api, f"user{number}@example.com", REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=hops)

    assert [login(number, "203.0.113.7") for number in range(25)] == [401] * 20 + [429] * 5
    assert login(0, "203.0.113.8") == 401


@pytest.mark.django_db
def test_a_proxy_that_is_not_trusted_vouches_for_nobody(api: APIClient, rates: object, settings: Settings) -> None:
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.0/8")]

    statuses = [
        _login(api, f"user{number}@example.com", REMOTE_ADDR="192.0.2.9", HTTP_X_FORWARDED_FOR=f"198.51.100.{number}")
        for number in range(22)
    ]

    assert statuses == [401] * 20 + [429] * 2


@pytest.mark.django_db
def test_a_signed_in_user_is_counted_alone_whatever_the_address(
    auth_api: SignIn, rates: object, settings: Settings
) -> None:
    one, other = auth_api(Role.USER), auth_api(Role.USER)
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"burst": (3, 60)}

    statuses = [one.get(ME, REMOTE_ADDR=f"203.0.113.{number}").status_code for number in range(5)]

    assert statuses == [200] * 3 + [429] * 2
    assert other.get(ME).status_code == 200


@pytest.mark.django_db
def test_a_day_has_a_limit_of_its_own(auth_api: SignIn, rates: object, settings: Settings) -> None:
    client = auth_api(Role.USER)
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"sustained": (2, 86_400)}

    answers = [client.get(ME) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 86_390 <= int(answers[2].headers["Retry-After"]) <= 86_400


@pytest.mark.django_db
@pytest.mark.parametrize("token", [None, "rubbish"])
def test_requests_without_a_good_token_count_against_the_address(
    api: APIClient, rates: object, settings: Settings, token: str | None
) -> None:
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"anonymous_burst": (3, 60)}
    headers = {"Authorization": f"Bearer {token}"} if token else {}

    assert [api.get(ME, headers=headers).status_code for _ in range(5)] == [401] * 3 + [429] * 2


@pytest.mark.django_db
def test_a_forbidden_request_is_refused_before_the_users_limit_is_looked_at(
    auth_api: SignIn, rates: object, settings: Settings
) -> None:
    client = auth_api(Role.USER)
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"burst": (1, 60)}

    assert [client.get("/api/v1/users/").status_code for _ in range(3)] == [403] * 3


@pytest.mark.django_db
def test_the_headers_name_each_limit_and_what_is_left_of_it(api: APIClient, rates: object) -> None:
    response = api.post(LOGIN, {"email": "ada@example.com", "password": "not the one at all"})

    assert response.headers["RateLimit-Policy"] == (
        '"anonymous_burst";q=60;w=60, "anonymous_sustained";q=10000;w=86400, '
        '"login_address";q=20;w=60, "login";q=10;w=60'
    )
    left = re.findall(r'"(\w+)";r=(\d+)', response.headers["RateLimit"])
    assert left == [
        ("anonymous_burst", "59"),
        ("anonymous_sustained", "9999"),
        ("login_address", "19"),
        ("login", "9"),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("scope", "url", "body"),
    [
        ("login", LOGIN, {"email": "ada@example.com", "password": "not the one at all"}),
        ("register", REGISTER, {"email": "ada@example.com", "name": "Ada", "password": "short"}),
        ("anonymous_burst", REFRESH, {"refresh": "rubbish"}),
        ("anonymous_sustained", ME, None),
    ],
)
def test_the_rate_is_taken_from_the_one_setting_at_each_request(
    api: APIClient, settings: Settings, scope: str, url: str, body: dict[str, str] | None
) -> None:
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {scope: (2, 60)}

    statuses = [(api.post(url, body) if body else api.get(url)).status_code for _ in range(4)]

    assert statuses[:2] == [statuses[0]] * 2 != [429] * 2
    assert statuses[2:] == [429] * 2


def test_no_class_holds_a_rate_of_its_own() -> None:
    classes = [item for item in vars(throttling).values() if isinstance(item, type)]

    assert not [item.__name__ for item in classes if hasattr(item, "rate") or hasattr(item, "THROTTLE_RATES")]
