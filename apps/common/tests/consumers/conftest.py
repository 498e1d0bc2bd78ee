from collections.abc import Iterator

import pytest

from apps.common.tests.consumers.support import ROUTES, Tokens, application
from apps.common.tests.sockets import Sockets, sockets_of


@pytest.fixture
def tokens() -> Tokens:
    """Tokens that the sockets of the test know: none, at first."""
    return Tokens()


@pytest.fixture
def sockets(tokens: Tokens) -> Iterator[Sockets]:
    with sockets_of(application(tokens), ROUTES) as sockets:
        yield sockets
