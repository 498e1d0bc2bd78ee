from ipaddress import ip_network
from typing import Any

import pytest
from pytest_django import Settings
from structlog.testing import capture_logs

from apps.common.consumers import UnknownSocketConsumer
from apps.common.tests.consumers.support import ADA, BOB, Tokens
from apps.common.tests.sockets import Sockets

SPEAKING = "/ws/speaking/"


def test_the_first_frame_signs_in_and_is_welcomed(sockets: Sockets, tokens: Tokens) -> None:
    socket = sockets.knock(SPEAKING).open()

    welcome = socket.ask({"type": "auth", "token": tokens.good("token"), "ref": "1"})

    expires_at = tokens.by_token("token").expires_at.isoformat()
    assert welcome == {"type": "welcome", "ref": "1", "you": str(ADA), "expires_at": expires_at}


def test_a_token_among_the_subprotocols_signs_in_without_a_frame(sockets: Sockets, tokens: Tokens) -> None:
    socket = sockets.knock(SPEAKING, subprotocols=["layerline.v1", f"bearer.{tokens.good('a.b-c_d')}"])
    socket.put({"type": "websocket.connect"})

    assert socket.take() == {"type": "websocket.accept", "subprotocol": "layerline.v1"}
    assert socket.receive()["type"] == "welcome"


@pytest.mark.parametrize(
    ("offered", "chosen"), [([], None), (["layerline.v1"], "layerline.v1"), (["chat", "layerline.v2"], None)]
)
def test_of_the_subprotocols_ours_is_chosen(sockets: Sockets, offered: list[str], chosen: str | None) -> None:
    socket = sockets.knock(SPEAKING, subprotocols=offered)
    socket.put({"type": "websocket.connect"})

    assert socket.take() == {"type": "websocket.accept", "subprotocol": chosen}
    assert socket.is_quiet()


def test_a_bad_token_among_the_subprotocols_closes_the_socket_and_nothing_is_sent_before(sockets: Sockets) -> None:
    socket = sockets.knock(SPEAKING, subprotocols=["layerline.v1", "bearer.bad"]).open()

    assert socket.closed() == 4401


@pytest.mark.parametrize(
    "first",
    [
        {"type": "auth", "token": "bad"},
        {"type": "auth"},
        {"type": "auth", "token": None},
        {"type": "auth", "token": "good", "more": 1},
        {"type": "ping"},
        {"type": "say", "text": "hello"},
        {"type": "nonsense"},
        {"token": "good"},
        [],
        "",
        "no JSON",
        '{"type": "auth", "token": "\\ud800"}',
    ],
)
def test_whatever_comes_first_and_does_not_sign_in_closes_the_socket(
    sockets: Sockets, tokens: Tokens, first: object
) -> None:
    tokens.good("good")
    socket = sockets.knock(SPEAKING).open()

    socket.send(first)

    assert socket.closed() == 4401


def test_a_binary_first_frame_closes_the_socket(sockets: Sockets) -> None:
    socket = sockets.knock(SPEAKING).open()

    socket.put({"type": "websocket.receive", "bytes": b'{"type": "auth", "token": "good"}'})

    assert socket.closed() == 4401


def test_a_ticket_in_the_address_signs_in_once(sockets: Sockets, tokens: Tokens) -> None:
    query = f"other=1&ticket={tokens.ticket('t-1_A')}"

    assert sockets.knock(SPEAKING, query=query).open().receive()["type"] == "welcome"
    assert sockets.knock(SPEAKING, query=query).open().closed() == 4401


@pytest.mark.parametrize("query", ["ticket=bad", "ticket=%ff%00", "ticket=bad&ticket=good", "token=good"])
def test_nothing_else_in_the_address_signs_in(sockets: Sockets, tokens: Tokens, query: str) -> None:
    tokens.ticket("good")

    assert sockets.knock("/ws/hurried/", query=query).open().closed() == 4401


def test_whoever_does_not_sign_in_in_time_is_closed(sockets: Sockets) -> None:
    assert sockets.knock("/ws/hurried/").open().closed() == 4401


def test_what_is_sent_behind_a_close_is_not_answered(sockets: Sockets, tokens: Tokens) -> None:
    socket = sockets.knock(SPEAKING).open()

    socket.send({"type": "auth", "token": "bad"})
    socket.send({"type": "auth", "token": tokens.good("good")})

    assert socket.closed() == 4401
    assert socket.is_quiet()


@pytest.mark.parametrize(
    ("reason", "code"),
    [("missing", 4404), ("denied", 4403), ("database-away", 1013), ("redis-away", 1013), ("unforeseen", 1011)],
)
def test_a_socket_that_cannot_be_opened_is_closed_with_the_code_that_fits(
    sockets: Sockets, tokens: Tokens, reason: str, code: int
) -> None:
    socket = sockets.knock(f"/ws/closed/{reason}/").open()

    socket.send({"type": "auth", "token": tokens.good("token")})

    assert socket.closed() == code


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "", "https://app.example.com.evil.example"])
def test_a_page_of_another_origin_is_refused_before_it_is_let_in(
    sockets: Sockets, settings: Settings, origin: str
) -> None:
    settings.WEBSOCKET_ALLOWED_ORIGINS = ["https://app.example.com"]
    socket = sockets.knock(SPEAKING, origin=origin)

    socket.put({"type": "websocket.connect"})

    # Not accepted before: a server makes HTTP 403 of it.
    assert socket.take() == {"type": "websocket.close"}


@pytest.mark.parametrize("origin", ["https://app.example.com", "HTTPS://App.Example.Com", None])
def test_a_page_of_an_allowed_origin_and_what_is_no_page_are_let_in(
    sockets: Sockets, settings: Settings, origin: str | None
) -> None:
    settings.WEBSOCKET_ALLOWED_ORIGINS = ["https://app.example.com"]

    assert sockets.knock(SPEAKING, origin=origin).open().is_quiet()


def test_an_unknown_address_is_accepted_and_then_closed_with_its_code(sockets: Sockets) -> None:
    socket = sockets.knock("/ws/nowhere/", application=UnknownSocketConsumer.as_asgi()).open()

    assert socket.closed() == 4404


def test_an_unknown_address_is_closed_to_foreign_pages_like_any_other(sockets: Sockets) -> None:
    socket = sockets.knock("/ws/", origin="https://evil.example", application=UnknownSocketConsumer.as_asgi())

    socket.put({"type": "websocket.connect"})

    assert socket.take() == {"type": "websocket.close"}


def test_each_socket_is_signed_in_by_itself(sockets: Sockets, tokens: Tokens) -> None:
    ada = sockets(SPEAKING, tokens.good("a", ADA))
    bob = sockets(SPEAKING, tokens.good("b", BOB))

    assert ada.ask({"type": "say", "text": "hi"})["by"] == str(ADA)
    assert bob.ask({"type": "say", "text": "hi"})["by"] == str(BOB)


def test_the_log_tells_of_each_socket_once_and_of_no_token(sockets: Sockets, tokens: Tokens) -> None:
    with capture_logs() as lines:
        sockets(SPEAKING, tokens.good("canary"), subprotocols=["layerline.v1"]).leave()

    assert [(line["event"], line["path"], line["close_code"]) for line in lines] == [("socket", SPEAKING, 1000)]
    assert "canary" not in str(lines)


def test_an_address_opens_no_more_sockets_than_its_limit_lets(
    sockets: Sockets, tokens: Tokens, settings: Settings
) -> None:
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"sockets": (2, 60)}

    for _ in range(2):
        sockets(SPEAKING, tokens.good("token"))
    assert sockets.knock(SPEAKING).open().closed() == 4429


def test_while_redis_is_away_an_address_is_counted_in_the_process_alone(
    sockets: Sockets, settings: Settings, redis_away: None
) -> None:
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"sockets": (20, 61)}

    for _ in range(2):
        assert sockets.knock(SPEAKING).open().is_quiet()
    assert sockets.knock(SPEAKING).open().closed() == 4429


def test_addresses_are_counted_apart_behind_a_proxy_that_is_believed_and_by_nobodys_word(
    sockets: Sockets, settings: Settings
) -> None:
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"sockets": (1, 60)}
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.1")]
    forged: dict[str, Any] = {"client": ("203.0.113.9", 1), "forwarded": "198.51.100.1"}
    told: dict[str, Any] = {"client": ("10.0.0.1", 1), "forwarded": "198.51.100.2"}

    for options in (forged, told):
        assert sockets.knock(SPEAKING, **options).open().is_quiet()
    for options in (forged | {"forwarded": "198.51.100.3"}, told):
        assert sockets.knock(SPEAKING, **options).open().closed() == 4429
    assert sockets.knock(SPEAKING, **told | {"forwarded": "198.51.100.4"}).open().is_quiet()


def test_a_user_has_no_more_sockets_than_he_may_and_one_that_ends_makes_room(
    sockets: Sockets, tokens: Tokens, settings: Settings
) -> None:
    settings.SOCKETS_PER_USER = 1
    first = sockets(SPEAKING, tokens.good("a", ADA))
    sockets(SPEAKING, tokens.good("b", BOB))

    second = sockets.knock(SPEAKING).open()
    second.send({"type": "auth", "token": "a"})

    assert second.closed() == 4430
    first.leave()
    sockets(SPEAKING, "a")
