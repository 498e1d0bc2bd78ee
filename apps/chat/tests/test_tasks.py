from datetime import timedelta

import pytest
from celery import current_app
from django.utils import timezone

from apps.chat.models import Announcement, Invitation, Membership, Message
from apps.chat.services import RoomService
from apps.chat.tests.support import open_room, say
from apps.users.tests.factories import UserFactory
from infrastructure.queue import outbox
from infrastructure.queue.models import OutboxRow, OutboxState

pytestmark = pytest.mark.django_db(transaction=True)


def _deliver(job: OutboxRow) -> None:
    """Do what a worker does with the message of a job."""
    current_app.loader.import_default_modules()
    current_app.tasks[job.name](str(job.pk))


def test_an_announcement_is_said_once_however_often_its_job_is_delivered() -> None:
    ada = UserFactory.create()
    room = open_room(ada)
    RoomService.announce(actor=ada, slug=room.slug, text="Soon")
    job = OutboxRow.objects.get(name="chat.publish_announcement")

    for _ in range(3):
        _deliver(job)

    assert list(Message.objects.filter(author=None).values_list("text", flat=True)) == ["Soon"]
    assert Message.objects.count() == 1
    assert not Announcement.objects.exists()
    assert OutboxRow.objects.get(pk=job.pk).state == OutboxState.DONE


def test_a_deleted_room_is_emptied_by_jobs_each_of_which_leaves_the_next() -> None:
    ada = UserFactory.create()
    room = open_room(ada)
    say(ada)
    RoomService.delete(actor=ada, slug=room.slug)

    while job := OutboxRow.objects.exclude(state=OutboxState.DONE).first():
        _deliver(job)

    assert not Message.objects.exists()
    assert not Membership.objects.exists()
    assert OutboxRow.objects.filter(name="chat.clean_deleted_room").count() == 4


def test_old_invitations_go_by_a_job_that_beat_asks_for() -> None:
    ada = UserFactory.create()
    room = open_room(ada)
    Invitation.objects.create(room=room, inviter_id=ada.pk)
    Invitation.objects.update(updated_at=timezone.now() - timedelta(days=31))
    outbox.enqueue_firing("chat.clean_invitations", {}, due_at=timezone.now())

    _deliver(OutboxRow.objects.get())

    assert not Invitation.objects.exists()
