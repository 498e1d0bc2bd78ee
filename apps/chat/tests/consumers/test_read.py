import time
from uuid import UUID

import pytest

from apps.chat.consumers.feed import SMALL_ROOM
from apps.chat.consumers.receipts import PAUSE
from apps.chat.models import Membership
from apps.chat.tests.consumers.support import Opener
from apps.chat.tests.support import open_room, say
from apps.users.tests.factories import UserFactory

pytestmark = pytest.mark.django_db(transaction=True)


def _read(user_id: UUID) -> int:
    return Membership.objects.values_list("last_read_seq", flat=True).get(user=user_id)


def test_how_far_somebody_has_read_is_stored_and_told_to_the_others(visit: Opener) -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    open_room(ada, members=[bob])
    seq = say(ada).seq
    here, elsewhere, at_bob = visit(ada), visit(ada), visit(bob)

    assert here.ask("read", seq=seq) == {"type": "ack", "seq": seq}

    assert _read(ada.pk) == seq
    for other in (elsewhere, at_bob):
        assert other.hear("read") == {"type": "read", "user": str(ada.pk), "seq": seq}
    here.ask("ping")
    assert "read" not in {frame["type"] for frame in here.seen}


def test_in_a_larger_room_only_oneself_is_told(visit: Opener) -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    open_room(ada, members=[bob, *UserFactory.create_batch(SMALL_ROOM - 1)])
    seq = say(ada).seq
    here, elsewhere, at_bob = visit(ada), visit(ada), visit(bob)

    here.ask("read", seq=seq)

    assert elsewhere.hear("read")["seq"] == seq
    at_bob.ask("ping")
    assert "read" not in {frame["type"] for frame in at_bob.seen}


def test_it_is_told_once_a_second_at_most_and_the_last_is(visit: Opener) -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    open_room(ada, members=[bob])
    seqs = [say(ada).seq for _ in range(5)]
    at_ada, at_bob = visit(ada), visit(bob)

    for seq in seqs:
        at_ada.ask("read", seq=seq)
    started = time.monotonic()

    assert at_bob.hear("read")["seq"] == seqs[0]
    assert at_bob.hear("read")["seq"] == seqs[-1]
    assert time.monotonic() - started > PAUSE / 2
    assert _read(ada.pk) == seqs[-1]


def test_what_was_read_last_is_stored_when_the_socket_goes(visit: Opener) -> None:
    ada = UserFactory.create()
    open_room(ada)
    seqs = [say(ada).seq for _ in range(2)]
    at_ada = visit(ada)
    for seq in seqs:
        at_ada.ask("read", seq=seq)

    at_ada.socket.leave()

    assert _read(ada.pk) == seqs[-1]


def test_nobody_reads_backwards_or_ahead(visit: Opener) -> None:
    ada = UserFactory.create()
    open_room(ada)
    last = say(ada).seq
    at_ada = visit(ada)

    at_ada.ask("read", seq=2**62)
    assert _read(ada.pk) == last
    at_ada.ask("read", seq=0)
    at_ada.socket.leave()
    assert _read(ada.pk) == last
