from typing import Any, Final

from apps.common.tests.access import Call, Route, everyone, only, signed_in, together
from apps.common.types import Actor
from apps.users.tests.factories import PASSWORD

# The account that the table's owner has.
EMAIL: Final = "target@example.com"


def _refresh(call: Call) -> dict[str, Any]:
    return {"refresh": call.refresh}


def _account(owner: Actor) -> dict[str, Any]:
    return {"user_id": owner.id}


def _changes(call: Call) -> dict[str, Any]:
    role = {"role": "user"} if call.caller == "admin" and call.method == "PUT" else {}
    return {"name": "Ada King", "phone": None} | role


ROUTES: Final = {
    "api/v1/auth/register/": Route(
        everyone(POST=201), body=lambda _: {"email": "new@example.com", "name": "New", "password": PASSWORD}
    ),
    "api/v1/auth/login/": Route(everyone(POST=200), body=lambda _: {"email": EMAIL, "password": PASSWORD}),
    "api/v1/auth/refresh/": Route(everyone(POST=200), body=_refresh),
    "api/v1/auth/logout/": Route(everyone(POST=204), body=_refresh),
    "api/v1/auth/logout-all/": Route(signed_in(POST=204)),
    "api/v1/auth/me/": Route(signed_in(GET=200, HEAD=200, PATCH=200), body=lambda _: {"name": "Ada King"}),
    # What the table sends is JSON.
    "api/v1/auth/me/avatar/": Route(signed_in(PUT=415, DELETE=204)),
    "api/v1/users/": Route(only({"admin"}, GET=200, HEAD=200)),
    "api/v1/users/<uuid:user_id>/": Route(
        together(only({"owner", "admin"}, GET=200, HEAD=200, PUT=200, PATCH=200), only({"admin"}, DELETE=204)),
        address=_account,
        body=_changes,
    ),
    # The table's owner has no picture.
    "api/v1/users/<uuid:user_id>/avatar/": Route(signed_in(GET=404, HEAD=404), address=_account),
    "api/v1/users/<uuid:user_id>/reactivate/": Route(only({"admin"}, POST=204), address=_account),
}
