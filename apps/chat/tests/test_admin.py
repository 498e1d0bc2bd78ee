from datetime import timedelta
from typing import Any, Final

import pytest
from django.test import Client
from django.utils import timezone

from apps.chat.models import Membership, Message, Room
from apps.chat.services import RoomService
from apps.chat.tests.support import history, is_whole, open_room, place, row, say
from apps.users.enums import AuditAction
from apps.users.selectors import AuditSelector
from apps.users.tests.factories import AdminFactory, ModeratorFactory, UserFactory

pytestmark = pytest.mark.django_db

ROOMS: Final = "/admin/chat/room/"
MEMBERS: Final = "/admin/chat/membership/"
MESSAGES: Final = "/admin/chat/message/"


@pytest.fixture
def site(client: Client) -> Client:
    """The site as a moderator uses it, who has no right of Django's own."""
    client.force_login(ModeratorFactory.create(is_staff=True))
    return client


def _act(site: Client, path: str, action: str, *rows: Any) -> list[str]:
    """Choose an action for rows, and return what the site says to it."""
    body = {"action": action, "_selected_action": [str(one.pk) for one in rows]}
    response = site.post(path, body, follow=True)
    return [str(message) for message in response.context["messages"]]


def _audited() -> list[tuple[str, Any]]:
    entries = AuditSelector.listing().filter(details__has_key="room_id").order_by("created_at")
    return [(entry.action, entry.account_id) for entry in entries]


def test_a_moderator_finds_rooms_by_their_words(site: Client) -> None:
    ada = UserFactory.create()
    open_room(ada, "lamps", private=True)
    open_room(ada, "tea")
    open_room(ada, "gone-lamps")
    RoomService.delete(actor=ada, slug="gone-lamps")

    page = site.get(f"{ROOMS}?q=lam").content.decode()

    assert "lamps" in page
    assert "tea" not in page
    assert "gone" not in page
    assert site.get(f"{ROOMS}{Room.objects.get(slug='tea').pk}/change/").status_code == 200


def test_rooms_are_closed_and_opened_again_which_is_written_down(site: Client) -> None:
    room = open_room(UserFactory.create(), private=True)

    assert _act(site, ROOMS, "close", room) == ["1 closed."]
    room.refresh_from_db()
    assert room.closed_at is not None
    assert _act(site, ROOMS, "open_again", room) == ["1 open."]

    assert _audited() == [(AuditAction.ROOM_CLOSED, None), (AuditAction.ROOM_REOPENED, None)]
    assert is_whole(room)


def test_no_form_writes_a_room(site: Client) -> None:
    room = open_room(UserFactory.create())
    before = row(room)

    assert site.post(f"{ROOMS}{room.pk}/change/", {"name": "Mine"}).status_code == 403
    for path in (ROOMS, MEMBERS, MESSAGES):
        assert site.get(f"{path}add/").status_code == 403
    assert site.get(f"{ROOMS}{room.pk}/delete/").status_code == 403
    assert row(room) == before


def test_the_messages_of_a_room_are_read_which_is_written_down_and_removed(site: Client) -> None:
    ada = UserFactory.create(name="Ada")
    room = open_room(ada, private=True)
    message = say(ada, text="Something bad")
    path = f"{MESSAGES}?room__id__exact={room.pk}"

    page = site.get(path).content.decode()
    assert "Something bad" in page
    assert "Ada" in page
    assert ada.email not in page
    assert _audited() == [(AuditAction.ROOM_READ, None)]

    assert "1 removed." in _act(site, path, "remove", Message.objects.get())
    assert Message.objects.get().text == ""
    assert (AuditAction.MESSAGE_REMOVED, ada.pk) in _audited()
    assert history(room)[-1]["id"] == str(message.id)


@pytest.mark.parametrize(
    "query", ["", "?room__id__exact=nonsense", "?room__id__exact=0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a10"]
)
def test_messages_of_no_room_in_particular_are_not_shown(site: Client, query: str) -> None:
    ada = UserFactory.create()
    open_room(ada, private=True)
    say(ada, text="Something")

    response = site.get(f"{MESSAGES}{query}", follow=True)

    assert response.redirect_chain[0] == (ROOMS, 302)
    assert "Something" not in response.content.decode()
    assert _audited() == []


def test_a_single_message_is_shown_by_no_page(site: Client) -> None:
    ada = UserFactory.create()
    open_room(ada, private=True)
    message = say(ada, text="Something")

    for page in ("change", "history"):
        response = site.get(f"{MESSAGES}{message.id}/{page}/")
        assert response.status_code == 403
        assert "Something" not in response.content.decode()


def test_members_are_muted_for_a_day_or_until_a_time_and_may_speak_again(site: Client) -> None:
    ada = UserFactory.create(name="Ada")
    open_room(ada, private=True)
    member = Membership.objects.get()

    assert _act(site, MEMBERS, "mute_for_a_day", member) == ["1 muted."]
    member.refresh_from_db()
    assert member.muted_until is not None
    assert timedelta(hours=23) < member.muted_until - timezone.now() < timedelta(hours=25)

    assert _act(site, MEMBERS, "let_speak_again", member) == ["1 may speak."]
    site.post(f"{MEMBERS}{member.pk}/change/", {"muted_until_0": "2999-01-31", "muted_until_1": "12:00:00"})
    member.refresh_from_db()
    assert member.muted_until is not None
    assert member.muted_until.isoformat() == "2999-01-31T12:00:00+00:00"
    assert _audited() == [(AuditAction.MEMBER_MUTED, ada.pk)] * 3


def test_what_a_rule_refuses_is_said_on_the_page(site: Client) -> None:
    ada = UserFactory.create()
    room = open_room(ada)
    member = Membership.objects.get()
    before = place(room, ada)

    response = site.post(
        f"{MEMBERS}{member.pk}/change/", {"muted_until_0": "2001-01-31", "muted_until_1": "12:00:00"}, follow=True
    )

    assert [str(message) for message in response.context["messages"]] == ["until: This must lie in the future."]
    assert place(room, ada) == before


def test_what_one_row_is_refused_is_told_beside_what_was_done(site: Client) -> None:
    ada = UserFactory.create()
    open_room(ada)
    kept, gone = Membership.objects.get(), open_room(ada, "gone")
    stale = Membership.objects.get(room=gone)
    RoomService.delete(actor=ada, slug="gone")

    # A deleted room is not on the page any more, so nothing is done to whoever is in it.
    assert _act(site, MEMBERS, "mute_for_a_day", kept, stale) == ["1 muted."]


def test_rooms_and_members_are_listed_in_few_statements(site: Client, django_assert_max_num_queries: Any) -> None:
    ada = UserFactory.create()
    for number in range(8):
        open_room(ada, f"room-{number}", members=[UserFactory.create()])

    with django_assert_max_num_queries(9):
        assert site.get(MEMBERS).status_code == 200
    with django_assert_max_num_queries(9):
        assert site.get(ROOMS).status_code == 200


@pytest.mark.parametrize("factory", [UserFactory, ModeratorFactory])
def test_the_role_decides_and_the_flag_opens_the_site(client: Client, factory: type[UserFactory]) -> None:
    is_moderator = factory is ModeratorFactory
    # One has the site without the role, the other the role without the site.
    client.force_login(factory.create(is_staff=not is_moderator))
    room = open_room(UserFactory.create())

    for path in (ROOMS, MEMBERS, f"{MESSAGES}?room__id__exact={room.pk}"):
        response = client.get(path)
        assert response.status_code == (302 if is_moderator else 403)
    assert _audited() == []


def test_an_admin_finds_what_was_done_in_rooms_in_the_audit_trail(client: Client) -> None:
    admin = AdminFactory.create()
    client.force_login(admin)
    room = open_room(UserFactory.create(), private=True)
    client.get(f"{MESSAGES}?room__id__exact={room.pk}")

    page = client.get("/admin/users/auditentry/?action=room_read").content.decode()

    assert "room read that they are not in" in page
    assert "None" not in page
