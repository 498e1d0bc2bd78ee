"""Fixtures that every test may ask for."""

from collections.abc import Callable, Iterator
from itertools import chain

import pytest
import structlog
import uuid6
from django.core.cache import cache
from django.core.files.storage import default_storage
from rest_framework.test import APIClient

from apps.common.enums import Role
from apps.common.tests.sockets import Sockets, sockets_of
from apps.users.models import User
from apps.users.tests.factories import FACTORIES
from apps.users.tests.support import signed_in
from config.asgi import application
from config.routing import websocket_urlpatterns
from infrastructure import redis

pytest_plugins = ("layerline.flow.plugin",)


class AuthenticatedClient(APIClient):
    """A client that sends the access token of `user` with each request."""

    user: User
    access: str
    refresh: str


@pytest.fixture
def api() -> APIClient:
    """A client without credentials."""
    return APIClient()


@pytest.fixture
def auth_api(db: None) -> Callable[[Role | User], AuthenticatedClient]:  # noqa: ARG001  # asked for by name
    """A function that gives a client which is signed in, as a new user of a role or as a given user."""

    def sign_in(who: Role | User = Role.USER) -> AuthenticatedClient:
        client = AuthenticatedClient()
        client.user = who if isinstance(who, User) else FACTORIES[who].create()
        credentials = signed_in(client.user)
        client.access, client.refresh = credentials.access, credentials.refresh
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {client.access}")
        return client

    return sign_in


@pytest.fixture
def admin_api(auth_api: Callable[[Role | User], AuthenticatedClient]) -> AuthenticatedClient:
    """A client that is signed in as an admin."""
    return auth_api(Role.ADMIN)


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    """A function that opens a socket of the project and signs in with an access token."""
    with sockets_of(application, websocket_urlpatterns) as sockets:
        yield sockets


@pytest.fixture(autouse=True)
def _clean_up() -> Iterator[None]:
    """Take away what a test left: keys under this process's prefix, files in memory, and the request's context."""
    yield
    # Keys never go back in time, and a test may have lived in the future.
    uuid6._last_v7_timestamp = None  # noqa: SLF001  # the package has no other way
    structlog.contextvars.clear_contextvars()
    names = list(redis.client().scan_iter(match=f"{redis.key()}*", count=1_000))
    if names:
        redis.client().delete(*names)
    cache.close()
    for kept in chain(*default_storage.listdir("")):
        default_storage.delete(kept)
