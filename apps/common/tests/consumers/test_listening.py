import pytest
from django.db import transaction

from apps.common.tests.consumers.support import BOB, Tokens
from apps.common.tests.sockets import Sockets
from infrastructure import realtime

pytestmark = pytest.mark.django_db(transaction=True)

SPEAKING = "/ws/speaking/"


def test_what_is_pushed_to_a_group_reaches_everyone_who_listens_to_it(sockets: Sockets, tokens: Tokens) -> None:
    ada = sockets(SPEAKING, tokens.good("a"))
    bob = sockets(SPEAKING, tokens.good("b", BOB))

    realtime.push("speakers", {"type": "news", "number": 1})
    realtime.push("others", {"type": "news", "number": 2})
    realtime.push("speakers", {"type": "news", "number": 3})

    for socket in (ada, bob):
        assert [socket.receive()["number"] for _ in range(2)] == [1, 3]
        assert socket.is_quiet()


def test_whoever_has_not_signed_in_hears_nothing(sockets: Sockets) -> None:
    socket = sockets.knock(SPEAKING).open()

    realtime.push("speakers", {"type": "news"})

    assert socket.is_quiet()


def test_what_was_rolled_back_is_not_told(sockets: Sockets, tokens: Tokens) -> None:
    socket = sockets(SPEAKING, tokens.good("token"))

    with transaction.atomic():
        realtime.push("speakers", {"type": "news"})
        transaction.set_rollback(True)

    assert socket.is_quiet()
