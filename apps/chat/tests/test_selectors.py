import json
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.chat.enums import RoomRole
from apps.chat.exceptions import BannedError
from apps.chat.models import Membership, Message, Room
from apps.chat.selectors import ChangeSelector, MemberSelector, MessageSelector, RoomSelector
from apps.chat.services import MemberService, MessageService, RoomService
from apps.chat.tests.support import history, open_room, say
from apps.common.exceptions import ForbiddenError, NotFoundError
from apps.common.types import Actor
from apps.users.services import UserService
from apps.users.tests.factories import AdminFactory, ModeratorFactory, UserFactory

pytestmark = pytest.mark.django_db


def test_the_list_holds_mine_and_the_public_ones_and_no_other() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    for slug, private in (("mine-private", True), ("mine-public", False)):
        open_room(ada, slug, private=private)
    open_room(bob, "in-private", private=True, members=[ada])
    open_room(bob, "public")
    open_room(bob, "private", private=True)
    for slug in ("left-private", "left-public"):
        open_room(bob, slug, private=slug.endswith("private"), members=[ada])
        MemberService.leave(actor=ada, slug=slug)
    for slug in ("banned-private", "banned-public"):
        open_room(bob, slug, private=slug.endswith("private"), members=[ada])
        MemberService.ban(actor=bob, slug=slug, user_id=ada.pk)
    open_room(bob, "deleted")
    RoomService.delete(actor=bob, slug="deleted")

    found = {room.slug: vars(room)["my_role"] for room in RoomSelector.listing(user_id=ada.pk)}

    assert found == {
        "mine-private": "owner",
        "mine-public": "owner",
        "in-private": "member",
        "public": None,
        "left-public": None,
    }
    strangers = {room.slug for room in RoomSelector.listing(user_id=AdminFactory.create().pk)}
    assert strangers == {"mine-public", "public", "left-public", "banned-public"}


def test_unread_counts_what_others_said_after_what_was_read() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, members=[bob])

    def unread(user: Actor) -> int:
        return int(vars(RoomSelector.by_slug(actor=user, slug=room.slug))["unread"])

    first, second = say(ada), say(ada)
    say(bob)
    assert (unread(ada), unread(bob)) == (1, 2)

    # A change is no message, nor is what was deleted.
    MemberService.set_role(actor=ada, slug=room.slug, user_id=bob.pk, role=RoomRole.MODERATOR)
    MessageService.delete(actor=ada, slug=room.slug, message_id=first.id)
    assert unread(bob) == 1

    MemberService.mark_read(actor=bob, room_id=room.pk, seq=second.seq)
    assert unread(bob) == 0

    Message.objects.create(room=room, seq=Room.objects.get().last_seq + 1, text="The room itself")
    assert unread(bob) == 1
    assert unread(UserFactory.create()) == 0
    MemberService.leave(actor=bob, slug=room.slug)
    assert unread(bob) == 0


def test_unread_is_counted_up_to_a_hundred() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, members=[bob])
    Message.objects.bulk_create(Message(room=room, seq=10 + number, author_id=ada.pk) for number in range(150))

    assert vars(RoomSelector.by_slug(actor=bob, slug=room.slug))["unread"] == 100


def test_what_a_room_asks_for_is_asked_of_its_visitors() -> None:
    ada, moderator, member, banned = UserFactory.create_batch(4)
    room = open_room(ada, moderators=[moderator], members=[member, banned])
    MemberService.ban(actor=ada, slug=room.slug, user_id=banned.pk)
    stranger, admin = UserFactory.create(), AdminFactory.create()

    def may(actor: Actor, least: RoomRole | None, *, or_overseer: bool = False) -> str:
        try:
            access = RoomSelector.access(actor=actor, slug=room.slug, least=least, or_overseer=or_overseer)
        except BannedError:
            return "banned"
        except ForbiddenError:
            return "forbidden"
        return str(access.role)

    people = (ada, moderator, member, stranger, banned, admin)
    assert [may(one, None) for one in people] == ["owner", "moderator", "member", "None", "banned", "None"]
    assert [may(one, RoomRole.MODERATOR) for one in people] == [
        *("owner", "moderator", "forbidden", "forbidden", "banned", "forbidden")
    ]
    assert may(admin, RoomRole.OWNER, or_overseer=True) == "None"
    assert may(member, RoomRole.MODERATOR, or_overseer=True) == "forbidden"
    with pytest.raises(NotFoundError):
        RoomSelector.access(actor=admin, slug="nowhere")


def test_who_may_be_in_a_room_now_is_one_query_unless_somebody_may_not() -> None:
    ada, bob, left, banned = UserFactory.create_batch(4)
    moderator, closed = ModeratorFactory.create(), ModeratorFactory.create()
    room = open_room(ada, private=True, members=[bob, left, banned])
    MemberService.leave(actor=left, slug=room.slug)
    MemberService.ban(actor=ada, slug=room.slug, user_id=banned.pk)
    UserService.deactivate(actor=AdminFactory.create(), user_id=closed.pk)

    with CaptureQueriesContext(connection) as captured:
        assert MemberSelector.standing(room_id=room.pk, user_ids=[ada.pk, bob.pk]) == {ada.pk, bob.pk}
    assert len(captured) == 1

    everybody = [user.pk for user in (ada, bob, left, banned, moderator, closed)]
    with CaptureQueriesContext(connection) as captured:
        assert MemberSelector.standing(room_id=room.pk, user_ids=everybody) == {ada.pk, bob.pk, moderator.pk}
    assert len(captured) == 3
    RoomService.delete(actor=ada, slug=room.slug)
    assert MemberSelector.standing(room_id=room.pk, user_ids=everybody) == set()


def test_whoever_is_in_a_room_is_found_there() -> None:
    ada, left = UserFactory.create(name="Ada"), UserFactory.create()
    room = open_room(ada, members=[left])
    MemberService.leave(actor=left, slug=room.slug)

    found = MemberSelector.one(room_id=room.pk, user_id=ada.pk)
    assert (found.role, found.person.name) == ("owner", "Ada")
    for user_id in (left.pk, uuid4()):
        with pytest.raises(NotFoundError):
            MemberSelector.one(room_id=room.pk, user_id=user_id)


def test_a_replay_is_in_order_and_ends_where_it_should() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, members=[bob])
    message = say(ada)
    MessageService.edit(actor=ada, slug=room.slug, message_id=message.id, text="Other")
    RoomService.update(actor=ada, slug=room.slug, changes={"name": "Tea"})
    say(bob)

    frames = history(room)

    assert [(frame["seq"], frame["type"]) for frame in frames] == [
        *((1, "member"), (2, "member"), (3, "message"), (4, "message.edited"), (5, "room"), (6, "message"))
    ]
    assert ChangeSelector.after(room_id=room.pk, seq=2, limit=3) == frames[2:5]
    assert ChangeSelector.after(room_id=room.pk, seq=6, limit=3) == []
    with CaptureQueriesContext(connection) as captured:
        ChangeSelector.after(room_id=room.pk, seq=0, limit=1_000)
    assert len(captured) == 2


def test_the_last_numbers_of_many_rooms_are_one_query() -> None:
    ada = UserFactory.create()
    rooms = [open_room(ada, slug) for slug in ("one", "two")]
    say(ada, "two")

    with CaptureQueriesContext(connection) as captured:
        found = ChangeSelector.last_seqs(room_ids=[*(room.pk for room in rooms), uuid4()])

    assert found == {rooms[0].pk: 1, rooms[1].pk: 2}
    assert len(captured) == 1


def _fill(room: Room, count: int, text: str = "x") -> None:
    author_id = Membership.objects.get(room=room).user_id
    Message.objects.bulk_create(
        Message(room=room, seq=2 + number, author_id=author_id, text=text) for number in range(count)
    )


def test_pages_go_both_ways_and_say_when_they_are_at_the_end() -> None:
    room = open_room(UserFactory.create())
    _fill(room, 10)

    def page(**wanted: int) -> tuple[list[int], bool]:
        found = MessageSelector.page_of(room_id=room.pk, **wanted)
        return [message["seq"] for message in found.messages], found.complete

    assert page(limit=3) == ([9, 10, 11], False)
    assert page(before=9, limit=3) == ([6, 7, 8], False)
    assert page(before=4, limit=2) == ([2, 3], True)
    assert page(before=2, limit=3) == ([], True)
    assert page(after=2, limit=3) == ([3, 4, 5], False)
    assert page(after=8, limit=3) == ([9, 10, 11], True)
    assert page(after=11, limit=3) == ([], True)
    assert page(after=0) == (list(range(2, 12)), True)


@pytest.mark.parametrize("text", ["x" * 4_000, "ä" * 4_000, "\U0001f600" * 4_000, '"' * 4_000, "\x01" * 4_000])
@pytest.mark.parametrize("direction", [{"after": 0}, {"before": 1_000}])
def test_a_page_is_at_most_64_kib_however_it_is_written_and_nothing_is_passed_over(
    text: str, direction: dict[str, int]
) -> None:
    room = open_room(UserFactory.create(name="\U0001f600" * 150))
    _fill(room, 20, text)
    found: list[int] = []

    wanted = direction
    for _ in range(21):
        page = MessageSelector.page_of(room_id=room.pk, **wanted)
        seqs = [message["seq"] for message in page.messages]
        assert len(json.dumps({"messages": page.messages, "complete": page.complete})) <= 64 * 1024
        assert seqs
        found += seqs
        if page.complete:
            break
        wanted = {"after": seqs[-1]} if "after" in direction else {"before": seqs[0]}

    assert sorted(found) == list(range(2, 22))


def test_a_page_by_slug_is_for_those_who_see_the_room() -> None:
    ada = UserFactory.create()
    open_room(ada, private=True)
    say(ada)

    assert len(MessageSelector.page(actor=ada, slug="lamps").messages) == 1
    with pytest.raises(NotFoundError):
        MessageSelector.page(actor=UserFactory.create(), slug="lamps")
