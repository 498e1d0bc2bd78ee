"""Who may do what: every route below /api/, every caller, every verb, against one declared table."""

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.test import APIClient

from apps.common.enums import Role
from apps.users.tests.factories import PASSWORD, AdminFactory, UserFactory

if TYPE_CHECKING:
    from conftest import AuthenticatedClient

type Statuses = dict[str, int]

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
CALLERS: Final = ("anonymous", "user", "owner", "moderator", "admin")


def _everyone(**statuses: int) -> dict[str, Statuses]:
    return dict.fromkeys(CALLERS, statuses)


def _signed_in(**statuses: int) -> dict[str, Statuses]:
    return _everyone(**statuses) | {"anonymous": dict.fromkeys(statuses, 401)}


def _only(allowed: set[str], **statuses: int) -> dict[str, Statuses]:
    forbidden = dict.fromkeys(statuses, 403)
    table = {caller: statuses if caller in allowed else forbidden for caller in CALLERS}
    return table | {"anonymous": dict.fromkeys(statuses, 401)}


_PAGE: Final = _everyone(GET=200, HEAD=200)
_OWN_ACCOUNT: Final = _only({"owner", "admin"}, GET=200, HEAD=200, PUT=200, PATCH=200)
_ANY_ACCOUNT: Final = _only({"admin"}, DELETE=204)

# What is not declared is 405, whoever asks. `user` is somebody else than the account in the address, `owner` the very
# one; where no account stands in the address the two are the same.
TABLE: Final[dict[str, dict[str, Statuses]]] = {
    "api/v1/auth/register/": _everyone(POST=201),
    "api/v1/auth/login/": _everyone(POST=200),
    "api/v1/auth/refresh/": _everyone(POST=200),
    "api/v1/auth/logout/": _everyone(POST=204),
    "api/v1/auth/logout-all/": _signed_in(POST=204),
    "api/v1/auth/me/": _signed_in(GET=200, HEAD=200, PATCH=200),
    "api/v1/users/": _only({"admin"}, GET=200, HEAD=200),
    "api/v1/users/<uuid:user_id>/": {caller: _OWN_ACCOUNT[caller] | _ANY_ACCOUNT[caller] for caller in CALLERS},
    "api/v1/users/<uuid:user_id>/reactivate/": _only({"admin"}, POST=204),
    "api/schema/": _PAGE,
    "api/docs/": _PAGE,
    "api/redoc/": _PAGE,
    "api/problems/": _PAGE,
    # Every address that no other route knows.
    "api/": _everyone(**dict.fromkeys(METHODS, 404)),
}

_NAME: Final[dict[str, Any]] = {"name": "Ada King", "phone": None}


def _body(route: str, method: str, caller: str, refresh: str) -> dict[str, Any]:
    """Return a body that is good, so that nothing but the caller decides."""
    bodies: dict[str, dict[str, Any]] = {
        "api/v1/auth/register/": {"email": "new@example.com", "name": "New", "password": PASSWORD},
        "api/v1/auth/login/": {"email": "target@example.com", "password": PASSWORD},
        "api/v1/auth/refresh/": {"refresh": refresh},
        "api/v1/auth/logout/": {"refresh": refresh},
        "api/v1/auth/me/": {"name": "Ada King"},
        "api/v1/users/<uuid:user_id>/": _NAME | ({"role": "user"} if caller == "admin" and method == "PUT" else {}),
    }
    return bodies.get(route, {}) if method in {"POST", "PUT", "PATCH"} else {}


def _routes(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern).removeprefix("^")
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern.url_patterns, route)
        else:
            yield route


def test_the_table_names_every_route_and_no_other() -> None:
    routes = [route for route in _routes(get_resolver().url_patterns) if route.startswith("api/")]

    assert sorted(routes) == sorted(TABLE)


@pytest.mark.django_db
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("route", TABLE)
def test_every_caller_gets_the_declared_answer(
    auth_api: Callable[..., "AuthenticatedClient"], route: str, caller: str, method: str
) -> None:
    AdminFactory.create()
    target = UserFactory.create(email="target@example.com")
    owner = auth_api(target)
    clients: dict[str, Callable[[], APIClient]] = {
        "anonymous": APIClient,
        "user": lambda: auth_api(Role.USER),
        "owner": lambda: owner,
        "moderator": lambda: auth_api(Role.MODERATOR),
        "admin": lambda: auth_api(Role.ADMIN),
    }
    path = "/" + route.replace("<uuid:user_id>", str(target.pk))
    if route == "api/":
        path += "no/such/route/"

    response = clients[caller]().generic(
        method, path, json.dumps(_body(route, method, caller, owner.refresh)), content_type="application/json"
    )

    assert response.status_code == TABLE[route][caller].get(method, 405)
    if response.status_code == 405:
        declared = {method for statuses in TABLE[route].values() for method in statuses}
        assert set(response.headers["Allow"].split(", ")) == declared
    if response.status_code >= 400 and method != "HEAD":
        assert response.headers["Content-Type"] == "application/problem+json"
        assert json.loads(response.content)["status"] == response.status_code
