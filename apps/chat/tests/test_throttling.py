import pytest
from pytest_django import Settings

from apps.chat.models import Message
from apps.chat.tests.support import open_room
from apps.common.enums import Role
from apps.common.tests.api import SignIn, problem
from apps.users.tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def test_messages_have_a_limit_of_their_own_for_each_member_over_all_rooms(
    auth_api: SignIn, settings: Settings
) -> None:
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"messages": (3, 60), "burst": (2, 60)}
    client, other = auth_api(Role.USER), auth_api(Role.USER)
    for slug in ("lamps", "tea"):
        open_room(UserFactory.create(), slug, members=[client.user, other.user])

    responses = [
        client.post(f"/api/v1/chat/rooms/{slug}/messages/", {"message": "Hello"})
        for slug in ("lamps", "tea", "lamps", "tea")
    ]

    assert [response.status_code for response in responses[:3]] == [201, 201, 201]
    assert problem(responses[3]) == (429, "throttled")
    assert int(responses[3].headers["Retry-After"]) in range(1, 61)
    assert '"messages";q=3;w=60' in responses[0].headers["RateLimit-Policy"]
    assert "burst" not in responses[0].headers["RateLimit-Policy"]
    assert Message.objects.count() == 3
    assert other.post("/api/v1/chat/rooms/tea/messages/", {"message": "Hello"}).status_code == 201
    # Other requests are counted as ever.
    assert [client.get("/api/v1/chat/rooms/lamps/messages/").status_code for _ in range(3)] == [200, 200, 429]
