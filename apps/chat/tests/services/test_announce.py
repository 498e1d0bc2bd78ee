from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from apps.chat.exceptions import MutedError, UnfitError
from apps.chat.models import Announcement, Membership, Message
from apps.chat.services import MessageService, RoomService
from apps.chat.tests.support import history, is_whole, open_room, row
from apps.common.exceptions import ForbiddenError
from apps.users.tests.factories import AdminFactory, UserFactory
from infrastructure.queue.models import OutboxRow


@pytest.mark.django_db
def test_what_a_moderator_lets_a_room_say_is_recorded_without_its_text_in_the_job() -> None:
    ada = UserFactory.create()
    room = open_room(ada)

    RoomService.announce(actor=ada, slug=room.slug, text="Soon")

    announcement = Announcement.objects.get()
    assert (announcement.room_id, announcement.author_id, announcement.text) == (room.pk, ada.pk, "Soon")
    job = OutboxRow.objects.get(name="chat.publish_announcement")
    assert job.payload == {"announcement_id": str(announcement.pk)}
    assert job.order_key == f"chat.room.{room.pk}"
    assert not Message.objects.exists()


@pytest.mark.django_db
def test_the_room_itself_says_it_and_once() -> None:
    ada = UserFactory.create()
    room = open_room(ada)
    RoomService.announce(actor=ada, slug=room.slug, text="Soon")
    announcement = Announcement.objects.get()

    for _ in range(2):
        MessageService.publish(announcement_id=announcement.pk)

    stored = Message.objects.get()
    assert (stored.author_id, stored.text, stored.client_id) == (None, "Soon", "")
    assert history(room)[1:] == [
        {
            "type": "message",
            "id": str(stored.pk),
            "seq": 2,
            "message": "Soon",
            "from": "system",
            "author": None,
            "sent_at": stored.created_at.isoformat().replace("+00:00", "Z"),
        }
    ]
    assert not Announcement.objects.exists()
    assert is_whole(room)


@pytest.mark.django_db
@pytest.mark.parametrize("ending", ["closed", "deleted"])
def test_a_room_that_is_closed_or_gone_by_then_says_nothing(ending: str) -> None:
    ada = UserFactory.create()
    room = open_room(ada)
    RoomService.announce(actor=ada, slug=room.slug, text="Soon")
    announcement = Announcement.objects.get()
    if ending == "closed":
        RoomService.update(actor=ada, slug=room.slug, changes={"closed": True})
    else:
        RoomService.delete(actor=ada, slug=room.slug)
    before = row(room)

    MessageService.publish(announcement_id=announcement.pk)

    assert not Message.objects.exists()
    assert not Announcement.objects.exists()
    assert row(room) == before


@pytest.mark.django_db
def test_nobody_but_a_moderator_announces() -> None:
    ada, member = UserFactory.create(), UserFactory.create()
    room = open_room(ada, members=[member])

    for actor in (member, UserFactory.create(), AdminFactory.create()):
        with pytest.raises(ForbiddenError):
            RoomService.announce(actor=actor, slug=room.slug, text="Soon")

    assert not Announcement.objects.exists()


@pytest.mark.django_db
def test_a_moderator_who_is_muted_lets_the_room_say_nothing_either() -> None:
    ada, moderator = UserFactory.create(), UserFactory.create()
    room = open_room(ada, moderators=[moderator])
    Membership.objects.filter(user_id=moderator.pk).update(muted_until=timezone.now() + timedelta(hours=1))

    with pytest.raises(MutedError):
        RoomService.announce(actor=moderator, slug=room.slug, text="Soon")


@pytest.mark.django_db
def test_a_text_that_cannot_be_a_message_is_not_announced() -> None:
    ada = UserFactory.create()
    room = open_room(ada)

    with pytest.raises(UnfitError):
        RoomService.announce(actor=ada, slug=room.slug, text=" ")

    assert not OutboxRow.objects.filter(name="chat.publish_announcement").exists()


@pytest.mark.django_db
def test_an_announcement_that_is_gone_is_nothing_to_do() -> None:
    MessageService.publish(announcement_id=uuid4())

    assert not Message.objects.exists()
