from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from apps.chat.exceptions import EditWindowOverError, NotMemberError, UnfitError
from apps.chat.models import Message
from apps.chat.services import MemberService, MessageService
from apps.chat.tests.support import history, is_whole, open_room, row, say, tried
from apps.common.exceptions import ForbiddenError, NotFoundError
from apps.common.tests.races import at_once
from apps.common.types import Actor
from apps.users.tests.factories import AdminFactory, UserFactory


def _edit(actor: Actor, message_id: UUID, text: str = "Other") -> dict[str, object]:
    return MessageService.edit(actor=actor, slug="lamps", message_id=message_id, text=text)


@pytest.mark.django_db
def test_an_author_edits_and_everyone_is_told() -> None:
    ada = UserFactory.create()
    room = open_room(ada)
    message = say(ada, text="Hello", client_id="a")

    edited = _edit(ada, message.id)

    stored = Message.objects.get()
    at = stored.edited_at
    assert at is not None
    shown_at = at.isoformat().replace("+00:00", "Z")
    assert edited == message.shown | {"message": "Other", "edited_at": shown_at}
    assert history(room)[-2] == {"type": "message", **edited}
    frame = history(room)[-1]
    assert frame == {
        "type": "message.edited",
        "id": str(message.id),
        "seq": 3,
        "message": "Other",
        "edited_at": frame["edited_at"],
        "by": str(ada.pk),
    }
    assert is_whole(room)


@pytest.mark.django_db
def test_the_same_text_once_more_takes_no_number() -> None:
    ada = UserFactory.create()
    room = open_room(ada)
    message = say(ada)
    first = _edit(ada, message.id)
    before = row(room)

    assert _edit(ada, message.id) == first
    assert row(room) == before


@pytest.mark.django_db
def test_it_is_too_late_after_a_quarter_of_an_hour() -> None:
    ada = UserFactory.create()
    room = open_room(ada)
    message = say(ada)
    window = timedelta(minutes=15)

    Message.objects.update(created_at=timezone.now() - window + timedelta(seconds=5))
    _edit(ada, message.id, "In time")
    Message.objects.update(created_at=timezone.now() - window)
    before = row(room)
    with pytest.raises(EditWindowOverError):
        _edit(ada, message.id, "Too late")

    assert Message.objects.get().text == "In time"
    assert row(room) == before


@pytest.mark.django_db
def test_nobody_edits_what_another_has_said() -> None:
    ada, moderator, bob = UserFactory.create_batch(3)
    open_room(ada, moderators=[moderator], members=[bob])
    message = say(bob)

    for actor in (ada, moderator):
        with pytest.raises(ForbiddenError):
            _edit(actor, message.id)
    for actor in (UserFactory.create(), AdminFactory.create()):
        with pytest.raises(NotMemberError):
            _edit(actor, message.id)

    assert Message.objects.get().text == "Hello"


@pytest.mark.django_db
def test_whoever_has_left_edits_nothing() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, members=[bob])
    message = say(bob)
    MemberService.leave(actor=bob, slug=room.slug)

    with pytest.raises(NotMemberError):
        _edit(bob, message.id)


@pytest.mark.django_db
def test_what_is_not_there_or_deleted_or_in_another_room_is_not_found() -> None:
    ada = UserFactory.create()
    room = open_room(ada)
    open_room(ada, "tea")
    deleted, elsewhere = say(ada), say(ada, "tea")
    MessageService.delete(actor=ada, slug=room.slug, message_id=deleted.id)

    for message_id in (uuid4(), deleted.id, elsewhere.id):
        with pytest.raises(NotFoundError):
            _edit(ada, message_id)


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["", " \n", "x" * 4_001, "\x00", "\ud800"])
def test_a_text_that_cannot_be_a_message_changes_nothing(text: str) -> None:
    ada = UserFactory.create()
    room = open_room(ada)
    message = say(ada)
    before = row(room)

    with pytest.raises(UnfitError):
        _edit(ada, message.id, text)

    assert Message.objects.get().text == "Hello"
    assert row(room) == before


@pytest.mark.django_db
def test_replayed_edits_say_what_the_message_says_now_and_nothing_once_it_is_deleted() -> None:
    ada = UserFactory.create()
    room = open_room(ada)
    message = say(ada, text="One")
    _edit(ada, message.id, "Two")
    _edit(ada, message.id, "Three")

    assert [frame["message"] for frame in history(room)[1:]] == ["Three", "Three", "Three"]
    MessageService.delete(actor=ada, slug=room.slug, message_id=message.id)
    assert [frame.get("message") for frame in history(room)[1:]] == ["", "", "", None]


@pytest.mark.django_db(transaction=True)
def test_those_who_edit_and_delete_at_once_leave_no_gap() -> None:
    ada = UserFactory.create()
    room = open_room(ada)
    messages = [say(ada).id for _ in range(4)]

    def act(number: int) -> str:
        message_id = messages[number % 4]
        if number % 3 == 0:
            return tried(lambda: MessageService.delete(actor=ada, slug="lamps", message_id=message_id))
        return tried(lambda: _edit(ada, message_id, f"{number}"))

    outcomes = at_once(12, act)

    assert set(outcomes) <= {"done", "not_found"}
    assert not Message.objects.filter(deleted_at__isnull=False).exclude(text="").exists()
    assert is_whole(room)
