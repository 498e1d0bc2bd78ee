from uuid import uuid4

import pytest

from apps.chat.exceptions import NotMemberError
from apps.chat.models import Membership
from apps.chat.services import MemberService
from apps.chat.tests.support import open_room, place, row, say
from apps.common.tests.races import at_once
from apps.users.tests.factories import AdminFactory, UserFactory


@pytest.mark.django_db
def test_reading_goes_forward_only_and_not_past_what_there_is_and_takes_no_number() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, members=[bob])
    for _ in range(3):
        say(ada)
    before = row(room) | {"last_seq": 5}

    read = []
    for seq in (4, 3, 0, 10**18, 5):
        MemberService.mark_read(actor=bob, room_id=room.pk, seq=seq)
        read.append(Membership.objects.get(user_id=bob.pk).last_read_seq)

    assert read == [4, 4, 4, 5, 5]
    assert row(room) == before


@pytest.mark.django_db
def test_whoever_is_not_in_the_room_reads_nothing() -> None:
    ada, left, banned = UserFactory.create_batch(3)
    room = open_room(ada, members=[left, banned])
    MemberService.leave(actor=left, slug=room.slug)
    MemberService.ban(actor=ada, slug=room.slug, user_id=banned.pk)
    before = [place(room, user) for user in (left, banned)]

    for actor in (left, banned, UserFactory.create(), AdminFactory.create()):
        for seq in (1, 5):
            with pytest.raises(NotMemberError):
                MemberService.mark_read(actor=actor, room_id=room.pk, seq=seq)
    with pytest.raises(NotMemberError):
        MemberService.mark_read(actor=ada, room_id=uuid4(), seq=1)

    assert [place(room, user) for user in (left, banned)] == before


@pytest.mark.django_db(transaction=True)
def test_the_furthest_of_those_who_read_at_once_counts() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, members=[bob])
    for _ in range(10):
        say(ada)

    at_once(10, lambda number: MemberService.mark_read(actor=bob, room_id=room.pk, seq=3 + number))

    assert Membership.objects.get(user_id=bob.pk).last_read_seq == 12
