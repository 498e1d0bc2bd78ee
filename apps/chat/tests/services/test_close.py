"""What a closed room refuses, and what it does not."""

from typing import Any

import pytest

from apps.chat.enums import RoomRole
from apps.chat.exceptions import RoomClosedError
from apps.chat.models import Message
from apps.chat.services import MemberService, MessageService, RoomService
from apps.chat.tests.support import history, is_whole, open_room, say, tried
from apps.common.tests.races import at_once
from apps.users.tests.factories import UserFactory


@pytest.mark.django_db
def test_nothing_is_said_in_it_and_the_rest_goes_on() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, members=[bob])
    message = say(bob)
    RoomService.update(actor=ada, slug=room.slug, changes={"closed": True})
    before = history(room)

    for call in (
        lambda: say(ada),
        lambda: MessageService.edit(actor=bob, slug=room.slug, message_id=message.id, text="Other"),
        lambda: RoomService.announce(actor=ada, slug=room.slug, text="Soon"),
    ):
        with pytest.raises(RoomClosedError):
            call()
    assert history(room) == before

    MessageService.delete(actor=bob, slug=room.slug, message_id=message.id)
    MemberService.set_role(actor=ada, slug=room.slug, user_id=bob.pk, role=RoomRole.OWNER)
    MemberService.leave(actor=ada, slug=room.slug)
    RoomService.update(actor=bob, slug=room.slug, changes={"closed": False})
    assert say(bob).seq == 9
    assert is_whole(room)


@pytest.mark.django_db(transaction=True)
def test_nothing_is_said_after_the_closing_that_comes_beside_it() -> None:
    for number in range(10):
        ada, bob = UserFactory.create(), UserFactory.create()
        room = open_room(ada, f"room-{number}", members=[bob])

        def act(which: int, slug: str = room.slug, ada: Any = ada, bob: Any = bob) -> str:
            if which == 0:
                return tried(lambda: RoomService.update(actor=ada, slug=slug, changes={"closed": True}))
            return tried(lambda: say(bob, slug))

        closed, *said = at_once(4, act)

        assert closed == "done"
        assert set(said) <= {"done", "room_closed"}
        (closed_at,) = [frame["seq"] for frame in history(room) if frame["type"] == "room"]
        numbers = Message.objects.filter(room=room).values_list("seq", flat=True)
        assert len(numbers) == said.count("done")
        assert all(seq < closed_at for seq in numbers)
        assert is_whole(room)
