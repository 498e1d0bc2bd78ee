"""Who may do what: every route below /api/, every caller, every verb, against what the slices declare."""

import json
import re
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import pytest
from django.apps import apps
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.module_loading import import_string
from rest_framework.test import APIClient

from apps.common.enums import Role
from apps.common.tests.access import CALLERS, METHODS, Call, Route, everyone
from apps.users.tests.factories import AdminFactory, UserFactory
from apps.users.tests.routes import EMAIL

if TYPE_CHECKING:
    from conftest import AuthenticatedClient

_PAGE: Final = Route(everyone(GET=200, HEAD=200))
_OF_NO_SLICE: Final = {
    "api/schema/": _PAGE,
    "api/docs/": _PAGE,
    "api/redoc/": _PAGE,
    "api/problems/": _PAGE,
    "api/asyncapi.yaml": _PAGE,
    # Every address that no other route knows.
    "api/": Route(everyone(**dict.fromkeys(METHODS, 404))),
}


def _declared() -> Iterator[tuple[str, Route]]:
    """Yield the routes of every slice, from its `tests/routes.py`."""
    yield from _OF_NO_SLICE.items()
    for slice_ in apps.get_app_configs():
        module = f"{slice_.name}.tests.routes"
        if slice_.name.startswith("apps.") and find_spec(module):
            yield from import_string(f"{module}.ROUTES").items()


ROUTES: Final = list(_declared())
TABLE: Final = dict(ROUTES)


def _routes(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern).removeprefix("^")
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern.url_patterns, route)
        else:
            yield route


def test_the_slices_declare_every_route_once_and_no_other() -> None:
    routes = [route for route in _routes(get_resolver().url_patterns) if route.startswith("api/")]

    assert sorted(routes) == sorted(route for route, _ in ROUTES)


@pytest.mark.django_db
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("route", TABLE)
def test_every_caller_gets_the_declared_answer(
    auth_api: Callable[..., "AuthenticatedClient"], route: str, caller: str, method: str
) -> None:
    AdminFactory.create()
    owner = auth_api(UserFactory.create(email=EMAIL))
    clients: dict[str, Callable[[], APIClient]] = {
        "anonymous": APIClient,
        "user": lambda: auth_api(Role.USER),
        "owner": lambda: owner,
        "moderator": lambda: auth_api(Role.MODERATOR),
        "admin": lambda: auth_api(Role.ADMIN),
    }
    declared = TABLE[route]
    path = "/" + route
    for name, value in declared.address(owner.user).items():
        path = re.sub(rf"<\w+:{name}>", str(value), path)
    if route == "api/":
        path += "no/such/route/"
    call = Call(caller=caller, method=method, refresh=owner.refresh)
    body = declared.body(call) if method in {"POST", "PUT", "PATCH"} else {}

    response = clients[caller]().generic(method, path, json.dumps(body), content_type="application/json")

    assert response.status_code == declared.table[caller].get(method, 405)
    if response.status_code == 405:
        allowed = {method for statuses in declared.table.values() for method in statuses}
        assert set(response.headers["Allow"].split(", ")) == allowed
    if response.status_code >= 400 and method != "HEAD":
        assert response.headers["Content-Type"] == "application/problem+json"
        assert json.loads(response.content)["status"] == response.status_code
