from collections.abc import Callable
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from apps.users.enums import LinkPurpose
from apps.users.exceptions import LinkExpiredError, LinkInvalidError
from apps.users.models import User
from apps.users.types import LinkMail
from infrastructure.links import LinkError, LinkToken

# Where the client application takes each of them.
_PATHS: Final = {
    LinkPurpose.VERIFY_EMAIL: "/verify-email",
    LinkPurpose.CHANGE_EMAIL: "/confirm-email",
    LinkPurpose.RESET_PASSWORD: "/reset-password",
}
# What a link is bound to: using it changes one of these, and so does whatever else is to end it. A new password ends
# them all, and so does a new address.
_BOUND_TO: Final[dict[LinkPurpose, Callable[[User], list[object]]]] = {
    LinkPurpose.VERIFY_EMAIL: lambda user: [user.password, user.email, user.email_verified_at],
    LinkPurpose.CHANGE_EMAIL: lambda user: [user.password, user.email, user.pending_email],
    LinkPurpose.RESET_PASSWORD: lambda user: [user.password, user.email, user.token_version],
}


class LinkService:
    @staticmethod
    def for_mail(*, purpose: LinkPurpose, user_id: UUID, job_id: UUID) -> LinkMail | None:
        """Return what the mail of this job is to hold, the same at every try.

        Returns:
            None where there is nothing to send any more: the account is gone or closed, the address confirmed, or the
            link would be over before it is read.
        """
        user = User.objects.active().filter(pk=user_id).first()
        if user is None:
            return None
        to = _recipient(purpose, user)
        token = LinkToken.sign(purpose=purpose, user_id=user_id, job_id=job_id, state=_state(purpose, user))
        if to is None or _is_over(purpose, token):
            return None
        # In the fragment, which no browser sends to a server, so that none can log it.
        return LinkMail(to=to, name=user.name, link=f"{settings.APP_URL}{_PATHS[purpose]}#token={token.encode()}")


def read_link(text: str) -> LinkToken:
    """Take the token of a link apart.

    Raises:
        LinkInvalidError: If it has not the shape of one.
    """
    try:
        return LinkToken.parse(text)
    except LinkError as error:
        raise LinkInvalidError from error


def linked_user(token: LinkToken, *, lock: bool = False) -> User:
    """Return the account that a token names, which proves nothing yet.

    Raises:
        LinkInvalidError: If it is gone or closed.
    """
    rows = User.objects.select_for_update() if lock else User.objects.get_queryset()
    user = rows.filter(pk=token.user_id, is_active=True).first()
    if user is None:
        raise LinkInvalidError
    return user


def require_purpose(token: LinkToken, user: User, *purposes: LinkPurpose) -> LinkPurpose:
    """Return for which of the purposes the token was made; with the row locked it cannot be used a second time.

    Raises:
        LinkInvalidError: If it was made for none of them, or what it was bound to has changed: it was used.
        LinkExpiredError: If only its time is over.
    """
    for purpose in purposes:
        if _recipient(purpose, user) and token.fits(purpose=purpose, state=_state(purpose, user)):
            if _is_over(purpose, token):
                raise LinkExpiredError
            return purpose
    raise LinkInvalidError


def _recipient(purpose: LinkPurpose, user: User) -> str | None:
    """Return the address that the link goes to, or None where there is nothing for it to do."""
    if purpose == LinkPurpose.CHANGE_EMAIL:
        return user.pending_email
    if purpose == LinkPurpose.VERIFY_EMAIL and user.email_verified:
        return None
    return user.email


def _state(purpose: LinkPurpose, user: User) -> list[str]:
    return [str(value) for value in _BOUND_TO[purpose](user)]


def _is_over(purpose: LinkPurpose, token: LinkToken) -> bool:
    return timezone.now() - token.issued_at >= _lifetime(purpose)


def _lifetime(purpose: LinkPurpose) -> timedelta:
    lifetime: timedelta = (
        settings.PASSWORD_RESET_LIFETIME if purpose == LinkPurpose.RESET_PASSWORD else settings.EMAIL_LINK_LIFETIME
    )
    return lifetime
