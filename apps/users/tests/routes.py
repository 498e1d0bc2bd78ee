from typing import Any, Final

from apps.common.tests.access import Call, Route, everyone, only, signed_in, together
from apps.common.types import Actor
from apps.users.enums import LinkPurpose
from apps.users.models import Session, User
from apps.users.selectors import UserSelector
from apps.users.services import UserService
from apps.users.tests.authenticator import with_authenticator
from apps.users.tests.factories import PASSWORD
from apps.users.tests.support import link_token
from apps.users.types import Challenge

# The account that the table's owner has.
EMAIL: Final = "target@example.com"


def _refresh(call: Call) -> dict[str, Any]:
    return {"refresh": call.refresh}


def _password(_: Call) -> dict[str, Any]:
    return {"password": PASSWORD}


def _code(_: Call) -> dict[str, Any]:
    app = with_authenticator(User.objects.get(email=EMAIL))
    challenge = UserService.login(email=EMAIL, password=PASSWORD)
    assert isinstance(challenge, Challenge)
    return {"mfa_token": challenge.mfa_token, "code": app.code()}


def _account(owner: Actor) -> dict[str, Any]:
    return {"user_id": owner.id}


def _link(purpose: LinkPurpose) -> str:
    """Return the token that a mail to the owner would hold."""
    owner = UserSelector.by_email(email=EMAIL)
    assert owner is not None
    return link_token(owner.pk, purpose)


def _session(owner: Actor) -> dict[str, Any]:
    return {"session_id": Session.objects.get(user_id=owner.id).pk}


def _changes(call: Call) -> dict[str, Any]:
    role = {"role": "user"} if call.caller == "admin" and call.method == "PUT" else {}
    return {"name": "Ada King", "phone": None} | role


_NEW_PASSWORD: Final = "nine hundred lanterns"

ROUTES: Final = {
    "api/v1/auth/register/": Route(
        everyone(POST=201), body=lambda _: {"email": "new@example.com", "name": "New", "password": PASSWORD}
    ),
    "api/v1/auth/login/": Route(everyone(POST=200), body=lambda _: {"email": EMAIL, "password": PASSWORD}),
    "api/v1/auth/refresh/": Route(everyone(POST=200), body=_refresh),
    "api/v1/auth/logout/": Route(everyone(POST=204), body=_refresh),
    "api/v1/auth/logout-all/": Route(signed_in(POST=204)),
    "api/v1/auth/sessions/": Route(signed_in(GET=200, HEAD=200)),
    "api/v1/auth/sessions/<uuid:session_id>/": Route(
        only({"owner"}, DELETE=204) | {caller: {"DELETE": 404} for caller in ("user", "moderator", "admin")},
        address=_session,
    ),
    "api/v1/auth/ticket/": Route(signed_in(POST=201)),
    "api/v1/auth/me/": Route(signed_in(GET=200, HEAD=200, PATCH=200), body=lambda _: {"name": "Ada King"}),
    # What the table sends is JSON.
    "api/v1/auth/me/avatar/": Route(signed_in(PUT=415, DELETE=204)),
    "api/v1/auth/me/erase/": Route(signed_in(POST=204), body=lambda _: {"password": PASSWORD}),
    "api/v1/auth/password/change/": Route(
        signed_in(POST=200), body=lambda _: {"current": PASSWORD, "new": _NEW_PASSWORD}
    ),
    "api/v1/auth/password/reset/": Route(everyone(POST=202), body=lambda _: {"email": EMAIL}),
    "api/v1/auth/password/reset/confirm/": Route(
        everyone(POST=204), body=lambda _: {"token": _link(LinkPurpose.RESET_PASSWORD), "new": _NEW_PASSWORD}
    ),
    "api/v1/auth/email/verify/": Route(everyone(POST=204), body=lambda _: {"token": _link(LinkPurpose.VERIFY_EMAIL)}),
    "api/v1/auth/email/verify/resend/": Route(signed_in(POST=202)),
    "api/v1/auth/email/change/": Route(
        signed_in(POST=202), body=lambda _: {"email": "other@example.com", "password": PASSWORD}
    ),
    "api/v1/auth/mfa/": Route(signed_in(GET=200, HEAD=200)),
    "api/v1/auth/mfa/setup/": Route(signed_in(POST=200), body=_password),
    # There is nothing to confirm or to renew: who may is told from who may not all the same.
    "api/v1/auth/mfa/confirm/": Route(signed_in(POST=409), body=lambda call: _password(call) | {"code": "123456"}),
    "api/v1/auth/mfa/recovery/": Route(signed_in(POST=409), body=_password),
    "api/v1/auth/mfa/disable/": Route(signed_in(POST=204), body=_password),
    "api/v1/auth/mfa/verify/": Route(everyone(POST=200), body=_code),
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
