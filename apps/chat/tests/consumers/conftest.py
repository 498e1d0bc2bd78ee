from collections.abc import Callable

import pytest

from apps.chat.tests.consumers.support import Visit, enter
from apps.common.tests.api import SignIn
from apps.common.tests.sockets import Sockets
from apps.users.models import User


@pytest.fixture
def visit(sockets: Sockets, auth_api: SignIn) -> Callable[..., Visit]:
    """A function that opens a socket of somebody in a room, and is welcomed."""

    def visit(user: User, slug: str = "lamps", query: str = "") -> Visit:
        return enter(sockets, auth_api(user), slug, query)

    return visit
