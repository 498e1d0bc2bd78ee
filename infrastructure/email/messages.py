"""What each kind of mail says: its subject, and what its templates are given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import parseaddr
from typing import Final

from django.conf import settings

# What each notice says: its headline, and what happened. What to do about it is the same for all.
NOTICES: Final = {
    "token_reused": (
        "a session was ended",
        "A token of one of your sessions was used twice: somebody may have copied it. Only that session was ended.",
    ),
    "login_failures": (
        "many failed attempts to sign in",
        "Somebody tries to sign in to your account with wrong passwords. Attempts are slowed down; you can sign in.",
    ),
    "password_changed": ("your password was changed", "The password of your account was changed."),
    "email_changed": (
        "your address was changed",
        "The address of your account was changed. This mail goes to the former one for the last time.",
    ),
    "mfa_enabled": (
        "a second factor was set up",
        "From now on your account asks for a code of your app when somebody signs in.",
    ),
    "mfa_disabled": (
        "the second factor was turned off",
        "Your account no longer asks for a code when somebody signs in.",
    ),
    "recovery_code_used": (
        "a recovery code was used",
        "Somebody signed in to your account with the password and a recovery code.",
    ),
    "recovery_codes_renewed": (
        "new recovery codes were made",
        "New recovery codes were made for your account. The ones before work no longer.",
    ),
    "mfa_failures": (
        "many wrong codes",
        "Somebody knows the password of your account and tries codes of your app.",
    ),
}

_UNITS: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


@dataclass(frozen=True, slots=True)
class Message:
    """One mail before it is rendered.

    Args:
        template: The templates `email/<template>.txt` and `.html`.
    """

    template: str
    subject: str
    context: Mapping[str, str] = field(repr=False)


def sender_name() -> str:
    name, address = parseaddr(settings.DEFAULT_FROM_EMAIL)
    return name or address.rpartition("@")[2]


def welcome(*, name: str, link: str) -> Message:
    return _with_link("welcome", f"Welcome to {sender_name()}", name, link, settings.EMAIL_LINK_LIFETIME)


def verification(*, name: str, link: str) -> Message:
    subject = f"{sender_name()}: confirm your address"
    return _with_link("verification", subject, name, link, settings.EMAIL_LINK_LIFETIME)


def email_change(*, name: str, link: str) -> Message:
    subject = f"{sender_name()}: confirm your new address"
    return _with_link("email_change", subject, name, link, settings.EMAIL_LINK_LIFETIME)


def password_reset(*, name: str, link: str) -> Message:
    subject = f"{sender_name()}: choose a new password"
    return _with_link("password_reset", subject, name, link, settings.PASSWORD_RESET_LIFETIME)


def address_taken(*, name: str) -> Message:
    return Message("address_taken", f"{sender_name()}: your address was entered again", {"name": name})


def security_notice(*, name: str, notice: str) -> Message:
    headline, text = NOTICES[notice]
    return Message("notice", f"{sender_name()}: {headline}", {"name": name, "headline": headline, "text": text})


def samples() -> list[Message]:
    """Return one mail of each kind, filled in with what nobody is called, to be looked at."""
    link = f"{settings.APP_URL}/verify-email#token={'0' * 86}"
    linked: list[Callable[..., Message]] = [welcome, verification, email_change, password_reset]
    return [
        *(kind(name="Ada Lovelace", link=link) for kind in linked),
        address_taken(name="Ada Lovelace"),
        *(security_notice(name="Ada Lovelace", notice=notice) for notice in NOTICES),
    ]


def _with_link(template: str, subject: str, name: str, link: str, lifetime: timedelta) -> Message:
    return Message(template, subject, {"name": name, "link": link, "life": _in_words(lifetime)})


def _in_words(lifetime: timedelta) -> str:
    """Return the time in the largest unit that it is a whole number of: `3 days`, `1 hour`, `90 minutes`."""
    seconds = int(lifetime.total_seconds())
    unit, length = next(found for found in _UNITS if seconds % found[1] == 0)
    count = seconds // length
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
