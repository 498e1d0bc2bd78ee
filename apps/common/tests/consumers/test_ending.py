import time
from datetime import timedelta

import pytest
from django.utils import timezone
from structlog.testing import capture_logs

from apps.common.tests.consumers.support import ADA, BOB, Tokens
from apps.common.tests.sockets import Sockets
from apps.common.tests.support import FAULTS
from apps.common.types import ACCOUNT_CHANGED, account_group
from infrastructure import realtime

SPEAKING = "/ws/speaking/"
HURRIED = "/ws/hurried/"
# More than waits for anybody.
LONG_NEWS = [{"type": "news", "text": "x" * 60_000}] * 5


def test_a_frame_of_someone_who_is_signed_in_no_longer_closes_the_socket(sockets: Sockets, tokens: Tokens) -> None:
    socket = sockets(SPEAKING, tokens.good("token"))
    tokens.revoke("token")

    socket.send({"type": "say", "text": "ha"})

    assert socket.closed() == 4401


def test_whoever_is_signed_in_no_longer_is_closed_without_a_frame(sockets: Sockets, tokens: Tokens) -> None:
    socket = sockets(HURRIED, tokens.good("token"))
    assert socket.is_quiet()

    tokens.revoke("token")

    assert socket.closed() == 4401


def test_a_socket_ends_with_its_token_and_not_with_the_next_check(sockets: Sockets, tokens: Tokens) -> None:
    until = timezone.now() + timedelta(seconds=0.5)
    socket = sockets(SPEAKING, tokens.good("token", until=until))

    assert socket.closed() == 4401
    assert timezone.now() - until < timedelta(seconds=1)


@pytest.mark.django_db(transaction=True)
def test_a_word_about_the_account_lets_the_socket_be_looked_at_at_once(sockets: Sockets, tokens: Tokens) -> None:
    socket, other = sockets(SPEAKING, tokens.good("token")), sockets(SPEAKING, tokens.good("other", BOB))
    assert socket.is_quiet()
    tokens.revoke("token")
    started = time.monotonic()

    realtime.push(account_group(ADA), ACCOUNT_CHANGED)

    assert socket.closed() == 4401
    assert time.monotonic() - started < 1
    assert other.ask({"type": "ping"}) == {"type": "pong"}


def test_whoever_says_nothing_is_closed_and_a_ping_is_something(sockets: Sockets, tokens: Tokens) -> None:
    socket = sockets("/ws/silence/", tokens.good("token"))
    for _ in range(4):
        time.sleep(0.2)
        assert socket.ask({"type": "ping"}) == {"type": "pong"}

    assert socket.closed() == 4408


@pytest.mark.parametrize(("kind", "code"), [("unforeseen", 1011), ("database-away", 1013), ("domain", 1011)])
def test_a_socket_that_fails_behind_its_welcome_is_closed(
    sockets: Sockets, tokens: Tokens, kind: str, code: int
) -> None:
    assert sockets(f"/ws/late/{kind}/", tokens.good("token")).closed() == code


def test_a_store_that_is_away_signs_nobody_out(sockets: Sockets, tokens: Tokens) -> None:
    socket = sockets(HURRIED, tokens.good("token"))

    with capture_logs() as lines:
        tokens.fault = FAULTS["database-away"]
        assert socket.is_quiet()
        tokens.fault = None

    assert {line["event"] for line in lines} == {"service_unavailable"}
    assert socket.ask({"type": "ping"}) == {"type": "pong"}


@pytest.mark.django_db(transaction=True)
def test_whoever_reads_nothing_is_given_up_once_too_much_waits(sockets: Sockets, tokens: Tokens) -> None:
    socket = sockets(HURRIED, tokens.good("token"))
    socket.stop_reading()

    with capture_logs() as lines:
        realtime.push("speakers", *LONG_NEWS)
        assert socket.has_ended()

    assert [line["close_code"] for line in lines if line["event"] == "socket"] == [4431]


@pytest.mark.django_db(transaction=True)
def test_whoever_is_slow_reads_all_of_less(sockets: Sockets, tokens: Tokens) -> None:
    socket = sockets(SPEAKING, tokens.good("token"))
    socket.stop_reading()
    realtime.push("speakers", *LONG_NEWS[:3])
    realtime.push("speakers", {"type": "last"})

    socket.read_again()

    assert [socket.receive()["type"] for _ in range(4)] == ["news", "news", "news", "last"]


@pytest.mark.django_db(transaction=True)
def test_a_slow_reader_who_reads_again_in_time_is_told_why_he_is_closed(sockets: Sockets, tokens: Tokens) -> None:
    socket = sockets(SPEAKING, tokens.good("token"))
    socket.stop_reading()
    realtime.push("speakers", *LONG_NEWS)
    assert socket.is_quiet()

    socket.read_again()

    assert socket.closed() == 4431
