from collections.abc import Callable
from typing import Any

import pytest

from apps.chat.tests.consumers.support import Visit, enter
from apps.common.tests.api import SignIn
from apps.common.tests.sockets import Sockets


@pytest.fixture
def visit(sockets: Sockets, auth_api: SignIn) -> Callable[..., Visit]:
    """A function that opens a socket of somebody in a room, and is welcomed."""

    def visit(user: Any, slug: str = "lamps", query: str = "") -> Visit:
        return enter(sockets, auth_api(user), slug, query)

    return visit
