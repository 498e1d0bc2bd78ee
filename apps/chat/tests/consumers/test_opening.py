from datetime import timedelta

import pytest
from django.utils import timezone
from freezegun import freeze_time
from pytest_django import Settings

from apps.chat.frames import LIMITS
from apps.chat.models import Membership
from apps.chat.services import MemberService, RoomService
from apps.chat.tests.consumers.support import Opener, knock
from apps.chat.tests.support import open_room
from apps.common.tests.api import SignIn
from apps.common.tests.sockets import Sockets
from apps.users.tests.factories import AdminFactory, ModeratorFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_welcome_tells_of_the_room_and_of_oneself(visit: Opener) -> None:
    ada, bob = UserFactory.create(name="Ada"), UserFactory.create()
    room = open_room(ada, members=[bob])

    welcome = visit(ada).welcome

    expires_at = welcome.pop("expires_at")
    assert welcome == {
        "type": "welcome",
        "room": {
            "slug": "lamps",
            "name": "Lamps",
            "visibility": "public",
            "closed_at": None,
            "my_role": "owner",
            "muted_until": None,
            "last_read_seq": 1,
            "member_count": 2,
        },
        "you": str(ada.pk),
        "author": {"id": str(ada.pk), "name": "Ada", "avatar": None},
        "last_seq": room.last_seq,
        "members_online": 1,
        "limits": {**LIMITS, "silence": 60},
    }
    assert expires_at > timezone.now().isoformat()


def test_whoever_enters_a_public_room_becomes_a_member_and_the_others_hear_of_it(visit: Opener) -> None:
    ada, bob = UserFactory.create(), UserFactory.create(name="Bob")
    room = open_room(ada)
    at_ada = visit(ada)

    welcome = visit(bob).welcome

    assert Membership.objects.standing().filter(room=room, user=bob).exists()
    assert welcome["room"]["my_role"] == "member"
    joined = at_ada.hear("member")
    assert (joined["change"], joined["user"]["name"], joined["seq"]) == ("joined", "Bob", room.last_seq + 1)
    assert welcome["last_seq"] == joined["seq"]


def test_a_private_room_is_not_there_for_a_stranger_and_open_to_its_members(
    visit: Opener, sockets: Sockets, auth_api: SignIn
) -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    open_room(ada, private=True, members=[bob])

    assert visit(bob).welcome["room"]["my_role"] == "member"
    assert knock(sockets, token=auth_api(UserFactory.create()).access).closed() == 4404


@pytest.mark.parametrize("slug", ["nowhere", "x" * 64, "x" * 65, "UPPER", "a.b"])
def test_a_room_that_is_not_there_closes_the_socket(sockets: Sockets, auth_api: SignIn, slug: str) -> None:
    assert knock(sockets, slug, token=auth_api(UserFactory.create()).access).closed() == 4404


def test_whoever_is_banned_is_not_let_in_and_stays_out(sockets: Sockets, auth_api: SignIn) -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, members=[bob])
    MemberService.ban(actor=ada, slug="lamps", user_id=bob.pk)

    assert knock(sockets, token=auth_api(bob).access).closed() == 4403
    assert not Membership.objects.standing().filter(room=room, user=bob).exists()


@pytest.mark.parametrize("factory", [ModeratorFactory, AdminFactory])
def test_whoever_oversees_all_rooms_reads_a_private_one_and_says_nothing_there(
    visit: Opener, factory: type[UserFactory]
) -> None:
    ada, overseer = UserFactory.create(), factory.create()
    room = open_room(ada, private=True)
    at_ada, there = visit(ada), visit(overseer)

    assert there.welcome["room"]["my_role"] is None
    assert there.ask("message", message="x")["code"] == "forbidden"
    at_ada.ask("message", message="Hello")
    assert there.hear("message")["message"] == "Hello"
    assert not Membership.objects.filter(room=room, user=overseer).exists()


def test_a_deleted_room_is_not_there(sockets: Sockets, auth_api: SignIn) -> None:
    ada = UserFactory.create()
    open_room(ada)
    RoomService.delete(actor=ada, slug="lamps")

    assert knock(sockets, token=auth_api(ada).access).closed() == 4404


def test_no_expired_and_no_refresh_token_signs_in(sockets: Sockets, auth_api: SignIn) -> None:
    ada = UserFactory.create()
    open_room(ada)
    with freeze_time(timezone.now() - timedelta(minutes=16)):
        expired = auth_api(ada).access
    refresh = auth_api(ada).refresh

    for token in (expired, refresh, "", "x"):
        assert knock(sockets, token=token).closed() == 4401


@pytest.mark.parametrize("after", ["", "x", "-1", "1.0", "%00", "9" * 19, "²"])
def test_a_number_to_come_back_after_that_is_none_closes_the_socket(
    sockets: Sockets, auth_api: SignIn, after: str
) -> None:
    ada = UserFactory.create()
    open_room(ada)

    assert knock(sockets, token=auth_api(ada).access, query=f"after={after}").closed() == 4400


def test_a_token_in_the_address_signs_in_only_where_that_is_set(
    sockets: Sockets, auth_api: SignIn, settings: Settings
) -> None:
    ada = UserFactory.create()
    open_room(ada)
    query = f"token={auth_api(ada).access}"

    assert knock(sockets, query=query).is_quiet()
    settings.WEBSOCKET_QUERY_TOKEN = True
    assert knock(sockets, query=query).receive()["type"] == "welcome"


def test_one_more_socket_than_a_user_may_have_is_closed(
    visit: Opener, sockets: Sockets, auth_api: SignIn, settings: Settings
) -> None:
    settings.SOCKETS_PER_USER = 2
    ada, bob = UserFactory.create(), UserFactory.create()
    open_room(ada)
    first = visit(ada)
    visit(ada)

    assert knock(sockets, token=auth_api(ada).access).closed() == 4430
    assert visit(bob).welcome
    first.socket.leave()
    assert visit(ada).welcome
