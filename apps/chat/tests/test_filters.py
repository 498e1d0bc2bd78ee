from typing import Any, Final

import pytest

from apps.chat.models import Room
from apps.chat.services import RoomService
from apps.chat.tests.support import open_room
from apps.common.enums import Role
from apps.common.tests.api import Client, SignIn, wrong_fields
from apps.users.tests.factories import UserFactory

pytestmark = pytest.mark.django_db

ROOMS: Final = "/api/v1/chat/rooms/"


@pytest.fixture
def client(auth_api: SignIn) -> Client:
    """Somebody who has two rooms, beside a public one of another's."""
    client = auth_api(Role.USER)
    other = UserFactory.create()
    open_room(client.user, "my-lamps", private=True)
    open_room(client.user, "tea_and-cake")
    open_room(other, "lanterns")
    open_room(other, "hidden-lamps", private=True)
    Room.objects.filter(slug="lanterns").update(name="Old Lamps")
    RoomService.update(actor=client.user, slug="tea_and-cake", changes={"closed": True})
    return client


def _slugs(client: Client, query: str) -> list[str]:
    response = client.get(f"{ROOMS}?{query}")
    assert response.status_code == 200, response.content
    return [room["slug"] for room in response.json()["results"]]


@pytest.mark.parametrize(
    ("query", "slugs"),
    [
        ("", ["lanterns", "tea_and-cake", "my-lamps"]),
        ("search=lamp", ["lanterns", "my-lamps"]),
        ("search=LAMPS my", ["my-lamps"]),
        ("search=cake", ["tea_and-cake"]),
        ("search=tea_and", ["tea_and-cake"]),
        ("search=amps", []),
        ("search=%26|!():*'", []),
        ("mine=true", ["tea_and-cake", "my-lamps"]),
        ("mine=false", ["lanterns"]),
        ("visibility=private", ["my-lamps"]),
        ("visibility=public&mine=true", ["tea_and-cake"]),
        ("closed=true", ["tea_and-cake"]),
        ("closed=false&search=lamps", ["lanterns", "my-lamps"]),
        ("ordering=name", ["my-lamps", "lanterns", "tea_and-cake"]),
        ("ordering=-created_at,name&page_size=1&page=2", ["tea_and-cake"]),
        ("unknown=1", ["lanterns", "tea_and-cake", "my-lamps"]),
    ],
)
def test_a_list_is_narrowed_and_ordered(client: Client, query: str, slugs: list[str]) -> None:
    assert _slugs(client, query) == slugs


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("mine=yes", "mine"),
        ("closed=1", "closed"),
        ("visibility=secret", "visibility"),
        ("ordering=last_seq", "ordering"),
        ("search=" + "x" * 101, "search"),
        ("search=%00", "search"),
        ("page=0", "page"),
        ("page_size=a", "page_size"),
        ("page=501", "page"),
    ],
)
def test_a_wrong_value_is_named(client: Client, query: str, field: str) -> None:
    assert list(wrong_fields(client.get(f"{ROOMS}?{query}"))) == [field]


def test_members_are_narrowed_by_their_role(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    moderator, member = UserFactory.create_batch(2)
    open_room(client.user, members=[member], moderators=[moderator])

    def found(query: str) -> list[Any]:
        results = client.get(f"{ROOMS}lamps/members/?{query}").json()["results"]
        return [one["user"]["id"] for one in results]

    assert found("role=owner") == [str(client.user.pk)]
    assert found("role=moderator") == [str(moderator.pk)]
    assert found("role=member") == [str(member.pk)]
    assert found("") == [str(user.pk) for user in (client.user, moderator, member)]
    assert list(wrong_fields(client.get(f"{ROOMS}lamps/members/?role=king"))) == ["role"]
