import pytest

from apps.chat.exceptions import BannedError
from apps.chat.selectors import RoomSelector
from apps.chat.services import MemberService, ReadingService
from apps.chat.tests.support import open_room, say
from apps.common.exceptions import ForbiddenError, NotFoundError
from apps.common.types import Actor
from apps.users.enums import AuditAction
from apps.users.selectors import AuditSelector
from apps.users.tests.factories import AdminFactory, ModeratorFactory, UserFactory


def _read(actor: Actor, slug: str = "lamps") -> list[str]:
    access = RoomSelector.access(actor=actor, slug=slug)
    page = ReadingService.messages(actor=actor, access=access, limit=10)
    return [message["message"] for message in page.messages]


def _written_down() -> list[tuple[object, object, dict[str, str]]]:
    entries = AuditSelector.listing().filter(action=AuditAction.ROOM_READ)
    return [(entry.actor_id, entry.account_id, entry.details) for entry in entries]


@pytest.mark.django_db
@pytest.mark.parametrize("factory", [ModeratorFactory, AdminFactory])
def test_whoever_reads_a_private_room_for_his_role_alone_is_written_down_each_time(
    factory: type[UserFactory],
) -> None:
    overseer, ada = factory.create(), UserFactory.create()
    room = open_room(ada, private=True)
    say(ada)

    assert _read(overseer) == ["Hello"]
    assert [member.user_id for member in ReadingService.members_listing(actor=overseer, slug="lamps")] == [ada.pk]
    ReadingService.look(actor=overseer, room_id=room.pk)

    assert _written_down() == [(overseer.pk, None, {"room_id": str(room.pk)})] * 3


@pytest.mark.django_db
def test_members_and_readers_of_public_rooms_are_not() -> None:
    ada, admin = UserFactory.create(), AdminFactory.create()
    private = open_room(ada, private=True, members=[admin])
    open_room(ada, "tea")

    for actor in (ada, admin):
        _read(actor)
        _read(actor, "tea")
        ReadingService.members_listing(actor=actor, slug="tea")
        ReadingService.look(actor=actor, room_id=private.pk)
    _read(UserFactory.create(), "tea")

    assert _written_down() == []


@pytest.mark.django_db
def test_an_overseer_who_is_banned_reads_for_his_role_alone() -> None:
    ada, admin = UserFactory.create(), AdminFactory.create()
    room = open_room(ada, members=[admin])
    MemberService.ban(actor=ada, slug=room.slug, user_id=admin.pk)

    _read(admin)

    assert len(_written_down()) == 1


@pytest.mark.django_db
def test_strangers_and_the_banned_read_nothing_of_a_private_room() -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    room = open_room(ada, private=True, members=[bob])
    MemberService.ban(actor=ada, slug=room.slug, user_id=bob.pk)

    for actor, refusal in ((bob, BannedError), (UserFactory.create(), NotFoundError)):
        with pytest.raises(refusal):
            ReadingService.members_listing(actor=actor, slug=room.slug)
        with pytest.raises(refusal):
            ReadingService.look(actor=actor, room_id=room.pk)
        with pytest.raises(refusal):
            ReadingService.banned_listing(actor=actor, slug=room.slug)

    assert _written_down() == []


@pytest.mark.django_db
def test_who_is_banned_is_for_moderators_to_know() -> None:
    ada, moderator, member, bob = UserFactory.create_batch(4)
    room = open_room(ada, moderators=[moderator], members=[member, bob])
    MemberService.ban(actor=ada, slug=room.slug, user_id=bob.pk)

    for actor in (ada, moderator):
        assert [one.user_id for one in ReadingService.banned_listing(actor=actor, slug=room.slug)] == [bob.pk]
    for actor in (member, UserFactory.create(), AdminFactory.create()):
        with pytest.raises(ForbiddenError):
            ReadingService.banned_listing(actor=actor, slug=room.slug)
