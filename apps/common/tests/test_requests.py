import json
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from django.test import RequestFactory
from rest_framework.exceptions import NotAuthenticated, ParseError
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from apps.common.parsers import StrictJSONParser
from apps.common.requests import actor, client_network, read_body
from apps.common.types import Anonymous


def posted(body: bytes) -> Request:
    plain = RequestFactory().post("/", body, content_type="application/json")
    return Request(plain, parsers=[StrictJSONParser()])


def test_whoever_is_signed_in_acts() -> None:
    user: Any = SimpleNamespace(is_authenticated=True, id=uuid4(), role="user")
    request: Any = SimpleNamespace(user=user)

    assert actor(request) is user


def test_nobody_acts_without_signing_in() -> None:
    request: Any = SimpleNamespace(user=Anonymous())

    with pytest.raises(NotAuthenticated):
        actor(request)


def test_a_body_can_be_read_twice() -> None:
    request = posted(b'{"a": 1}')

    assert read_body(request) == read_body(request) == {"a": 1}


def test_a_body_that_cannot_be_read_is_refused_each_time() -> None:
    request = posted(b"{")

    for _ in range(3):
        with pytest.raises(ParseError):
            read_body(request)


@pytest.mark.parametrize("value", [[], {}, "", 0, None, False])
def test_an_empty_value_is_still_the_body(value: Any) -> None:
    request = posted(json.dumps(value).encode())

    assert [read_body(request), read_body(request)] == [value, value]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:0DB8:0001:0002::", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::1", "::/64"),
        ("", "unknown"),
        ("unix:", "unknown"),
        ("203.0.113.9:80", "unknown"),
    ],
)
def test_a_client_is_an_ipv4_address_or_an_ipv6_customer(address: str, network: str) -> None:
    assert client_network(Request(APIRequestFactory().get("/", REMOTE_ADDR=address))) == network


def test_the_zone_of_an_address_makes_no_other_client() -> None:
    networks = {
        client_network(Request(APIRequestFactory().get("/", REMOTE_ADDR=f"fe80::1{zone}")))
        for zone in ("", "%eth0", "%anything")
    }

    assert networks == {"fe80::/64"}
