import pytest
from celery import current_app

from apps.chat.models import Announcement, Message, Room
from apps.chat.services import RoomService
from apps.chat.tasks import clean_deleted_rooms
from apps.chat.tests.support import open_room, say
from apps.users.tests.factories import UserFactory
from infrastructure.queue.models import OutboxRow, OutboxState

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_announcement_is_said_once_however_often_its_job_is_delivered() -> None:
    ada = UserFactory.create()
    room = open_room(ada)
    RoomService.announce(actor=ada, slug=room.slug, text="Soon")
    job = OutboxRow.objects.get(name="chat.publish_announcement")

    for _ in range(3):
        current_app.tasks[job.name](str(job.pk))

    assert list(Message.objects.filter(author=None).values_list("text", flat=True)) == ["Soon"]
    assert Message.objects.count() == 1
    assert not Announcement.objects.exists()
    assert OutboxRow.objects.get(pk=job.pk).state == OutboxState.DONE


def test_the_cleaning_empties_deleted_rooms() -> None:
    ada = UserFactory.create()
    room = open_room(ada)
    say(ada)
    RoomService.delete(actor=ada, slug=room.slug)

    for _ in range(3):
        clean_deleted_rooms()

    assert not Message.objects.exists()
    assert Room.objects.get().purged_at is not None
