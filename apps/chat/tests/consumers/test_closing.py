import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.chat.models import Membership
from apps.chat.services import MemberService, RoomService
from apps.chat.tests.consumers.support import Opener
from apps.chat.tests.support import open_room, say
from apps.common.enums import Role
from apps.common.types import Actor
from apps.users.services import ErasureService, SessionService, UserService
from apps.users.tests.factories import PASSWORD, AdminFactory, ModeratorFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)


def _remove(owner: Actor, user: Actor) -> None:
    MemberService.remove(actor=owner, slug="lamps", user_id=user.id)


def _ban(owner: Actor, user: Actor) -> None:
    MemberService.ban(actor=owner, slug="lamps", user_id=user.id)


def _leave(_: Actor, user: Actor) -> None:
    MemberService.leave(actor=user, slug="lamps")


@pytest.mark.parametrize("take_out", [_remove, _ban, _leave])
def test_whoever_is_in_the_room_no_longer_is_closed_within_a_second(
    visit: Opener, take_out: Callable[[Actor, Actor], None]
) -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    open_room(ada, members=[bob])
    at_ada, at_bob, also_at_bob = visit(ada), visit(bob), visit(bob)
    started = time.monotonic()

    take_out(ada, bob)

    for gone in (at_bob, also_at_bob):
        assert gone.hear("member")["user"]["id"] == str(bob.pk)
        assert gone.closed() == 4403
    assert time.monotonic() - started < 1
    at_ada.hear("member")
    seq = say(ada).seq
    assert at_ada.hear_stored()["seq"] == seq


def test_a_deleted_room_is_closed_for_everyone(visit: Opener) -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    open_room(ada, members=[bob])
    visits = [visit(ada), visit(bob)]

    RoomService.delete(actor=ada, slug="lamps")

    assert [one.closed() for one in visits] == [4404, 4404]


ENDINGS: dict[str, Callable[[Actor], None]] = {
    "logout everywhere": lambda user: SessionService.logout_all(user_id=user.id),
    "deactivation": lambda user: UserService.deactivate(actor=AdminFactory.create(), user_id=user.id),
    "erasure": lambda user: ErasureService.erase_own(user_id=user.id, password=PASSWORD),
}


@pytest.mark.parametrize("end", ENDINGS.values(), ids=ENDINGS)
def test_whoever_is_signed_out_in_whichever_way_is_closed_within_a_second(
    visit: Opener, end: Callable[[Actor], None]
) -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    open_room(ada, members=[bob])
    at_ada, at_bob = visit(ada), visit(bob)
    started = time.monotonic()

    end(bob)

    assert at_bob.closed() in {4401, 4403}
    assert time.monotonic() - started < 1
    assert at_ada.ask("ping")["type"] == "pong"


def test_whoever_oversees_rooms_no_longer_is_closed(visit: Opener) -> None:
    ada, moderator = UserFactory.create(), ModeratorFactory.create()
    open_room(ada, private=True)
    there = visit(moderator)

    UserService.update(actor=AdminFactory.create(), user_id=moderator.pk, changes={"role": Role.USER})

    assert there.closed() == 4403


def test_another_role_closes_no_socket_of_a_member(visit: Opener) -> None:
    ada = ModeratorFactory.create()
    open_room(ada)
    there = visit(ada)

    UserService.update(actor=AdminFactory.create(), user_id=ada.pk, changes={"role": Role.USER})

    assert there.socket.is_quiet()
    assert there.ask("message", message="x")["type"] == "ack"


def test_what_no_push_tells_is_seen_in_the_store_by_the_clock(visit: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.chat.consumers.feed.SECONDS_BETWEEN_CHECKS", 0.1)
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, members=[bob])
    at_ada, at_bob = visit(ada), visit(bob)

    Membership.objects.filter(room=room, user=bob).update(left_at=timezone.now() - timedelta(minutes=1))

    assert at_bob.closed() == 4403
    assert at_ada.ask("ping")["type"] == "pong"
