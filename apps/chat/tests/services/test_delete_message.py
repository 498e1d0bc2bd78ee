from uuid import UUID, uuid4

import pytest

from apps.chat.exceptions import BannedError
from apps.chat.models import Message
from apps.chat.services import MemberService, MessageService
from apps.chat.tests.support import history, is_whole, open_room, row, say
from apps.common.exceptions import ForbiddenError, NotFoundError
from apps.common.types import Actor
from apps.users.enums import AuditAction
from apps.users.selectors import AuditSelector
from apps.users.tests.factories import AdminFactory, ModeratorFactory, UserFactory


def _delete(actor: Actor, message_id: UUID) -> None:
    MessageService.delete(actor=actor, slug="lamps", message_id=message_id)


def _audited() -> int:
    return AuditSelector.listing().filter(action=AuditAction.MESSAGE_REMOVED).count()


@pytest.mark.django_db
def test_nothing_of_its_text_is_left_and_everyone_is_told_once() -> None:
    ada = UserFactory.create()
    room = open_room(ada)
    message = say(ada, text="Secret", client_id="a")

    for _ in range(2):
        _delete(ada, message.id)

    stored = Message.objects.get()
    assert (stored.text, stored.deleted_at is None) == ("", False)
    assert history(room)[1:] == [
        message.frame | {"message": "", "deleted": True},
        {"type": "message.deleted", "id": str(message.id), "seq": 3, "by": str(ada.pk)},
    ]
    assert is_whole(room)


@pytest.mark.django_db
@pytest.mark.parametrize("who", ["author", "moderator", "owner"])
def test_its_author_and_whoever_moderates_the_room_deletes_it(who: str) -> None:
    people = dict(zip(("owner", "moderator", "author"), UserFactory.create_batch(3), strict=True))
    room = open_room(people["owner"], moderators=[people["moderator"]], members=[people["author"]])
    message = say(people["author"])

    _delete(people[who], message.id)

    assert Message.objects.get().text == ""
    assert history(room)[-1]["by"] == str(people[who].pk)
    assert _audited() == 0


@pytest.mark.django_db
def test_nobody_else_deletes_it() -> None:
    ada, bob, left, banned = UserFactory.create_batch(4)
    room = open_room(ada, members=[bob, left, banned])
    message, of_left, of_banned = say(ada), say(left), say(banned)
    MemberService.leave(actor=left, slug=room.slug)
    MemberService.ban(actor=ada, slug=room.slug, user_id=banned.pk)
    before = row(room)

    for actor, message_id in ((bob, message.id), (UserFactory.create(), message.id), (left, of_left.id)):
        with pytest.raises(ForbiddenError):
            _delete(actor, message_id)
    with pytest.raises(BannedError):
        _delete(banned, of_banned.id)

    assert not Message.objects.filter(text="").exists()
    assert row(room) == before


@pytest.mark.django_db
@pytest.mark.parametrize("factory", [ModeratorFactory, AdminFactory])
@pytest.mark.parametrize("private", [True, False])
def test_whoever_oversees_all_rooms_deletes_in_any_which_is_written_down_once(
    factory: type[UserFactory], *, private: bool
) -> None:
    overseer, ada = factory.create(), UserFactory.create()
    room = open_room(ada, private=private)
    message = say(ada)

    for _ in range(2):
        _delete(overseer, message.id)

    assert Message.objects.get().text == ""
    entry = AuditSelector.listing().get(action=AuditAction.MESSAGE_REMOVED)
    assert (entry.actor_id, entry.account_id) == (overseer.pk, ada.pk)
    assert entry.details == {"room_id": str(room.pk), "message_id": str(message.id)}


@pytest.mark.django_db
def test_what_is_not_there_or_in_another_room_is_not_found() -> None:
    ada = UserFactory.create()
    open_room(ada)
    open_room(ada, "tea")

    for message_id in (uuid4(), say(ada, "tea").id):
        with pytest.raises(NotFoundError):
            _delete(ada, message_id)
